//go:build unix

package cache

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// benchNames are names as a listing in order has them, in directories of 1,000.
func benchNames(n int) []Name {
	names := make([]Name, n)
	for k := range names {
		names[k] = Name{Origin: fmt.Sprintf("data/%05d/file-%08d.txt", k/1000, k), Size: 100, ModTime: 1_700_000_000}
	}
	return names
}

// cpuEach reports the processor time of a name, which says more than the clock where
// others are at work; it begins to count when it is called.
func cpuEach(b *testing.B) (end func()) {
	b.Helper()
	cpu := func() int64 {
		var r unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return r.Utime.Nano() + r.Stime.Nano()
	}
	before := cpu()
	return func() { b.ReportMetric(float64(cpu()-before)/float64(b.N)/benchSegment, "cpu-ns/name") }
}

// benchSegment is how many names a segment of the benchmarks has.
const benchSegment = 64 << 10

// BenchmarkNames compares what a name of a listing costs: in a Numbering, and in a plain
// store that is only listed. A round is a segment.
func BenchmarkNames(b *testing.B) {
	names := benchNames(benchSegment)
	b.Run("numbering", func(b *testing.B) {
		b.ReportAllocs()
		defer cpuEach(b)()
		for b.Loop() {
			n, err := NewNumbering(nil, 0)
			if err != nil {
				b.Fatal(err)
			}
			for k := 0; k < len(names); k += MaxPage {
				if _, err := n.Add(names[k : k+MaxPage]); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := n.Finish(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		defer cpuEach(b)()
		for b.Loop() {
			s := benchStore(b)
			benchList(b, s, names, nil)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchStore(b *testing.B) *Store {
	b.Helper()
	s, err := Open(Options{Dir: filepath.Join(b.TempDir(), "store"), Origin: "bench", FlushEvery: -1, Reserve: -1})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// benchList lists names into a store; with a content, each file gets that.
func benchList(b *testing.B, s *Store, names []Name, content []byte) {
	b.Helper()
	pl, err := s.NewPlanner()
	if err != nil {
		b.Fatal(err)
	}
	for k := 0; k < len(names); k += MaxPage {
		page, err := pl.Plan(names[k : k+MaxPage])
		if err != nil {
			b.Fatal(err)
		}
		benchCommit(b, page, content)
	}
}

func benchCommit(b *testing.B, page *Page, content []byte) {
	b.Helper()
	err := page.Load()
	for k := 0; content != nil && err == nil && k < page.Len(); k++ {
		err = page.Put(k, content, 1_700_000_000, nil)
	}
	if err == nil {
		err = page.Commit()
	}
	if err == nil {
		err = page.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSegment compares what a file of 100 bytes costs: fetched in a scratch store and
// exported, and in a plain store that lists it too. A round is a segment.
func BenchmarkSegment(b *testing.B) {
	ctx := context.Background()
	names, content := benchNames(benchSegment), make([]byte, 100)
	n, err := NewNumbering(nil, 0)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := n.Add(names); err != nil {
		b.Fatal(err)
	}
	tables, err := n.Finish()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("scratch", func(b *testing.B) {
		b.ReportAllocs()
		defer cpuEach(b)()
		for b.Loop() {
			s, err := OpenScratch(ctx, Options{Dir: filepath.Join(b.TempDir(), "scratch"), Reserve: -1}, TableOf(tables.Dirs), TableOf(tables.Files), TableOf(tables.Context), tables.Counts)
			if err != nil {
				b.Fatal(err)
			}
			for from, limit := tables.Counts.First, tables.Counts.End; from < limit; {
				page, next, err := s.Pending(from, limit, 990)
				if err != nil {
					b.Fatal(err)
				}
				if from = next; page != nil {
					benchCommit(b, page, content)
				}
			}
			if _, err := s.Export(ctx, ExportTo{Table: func(_ int, t Table, _ []byte) error {
				_, err := io.Copy(io.Discard, io.NewSectionReader(t, 0, t.Size))
				return err
			}}); err != nil {
				b.Fatal(err)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		defer cpuEach(b)()
		for b.Loop() {
			s := benchStore(b)
			benchList(b, s, names, content)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkIngest is what a name and a content of 100 bytes cost that are brought in.
func BenchmarkIngest(b *testing.B) {
	names := benchNames(benchSegment)
	n, err := NewNumbering(nil, 0)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := n.Add(names); err != nil {
		b.Fatal(err)
	}
	tables, err := n.Finish()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	defer cpuEach(b)()
	for b.Loop() {
		s, err := Open(Options{Dir: filepath.Join(b.TempDir(), "store"), Origin: "bench", Segments: true, FlushEvery: -1, Reserve: -1})
		if err != nil {
			b.Fatal(err)
		}
		ingestNames(b, s, tables)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNewcomers is what it costs, for a name, to see that no other segment has it: with 15 others
// in the store, before and behind it in the listing's order, or all mixed.
func BenchmarkNewcomers(b *testing.B) {
	const others = 15
	all := benchNames((others + 1) * benchSegment)
	for _, mixed := range []bool{false, true} {
		what := "ordered"
		if mixed {
			what = "mixed"
		}
		b.Run(what, func(b *testing.B) {
			s, err := Open(Options{Dir: filepath.Join(b.TempDir(), "store"), Origin: "bench", Segments: true, FlushEvery: -1, Reserve: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var last *NameTables
			next := FirstInode
			for k := range others + 1 {
				block := k // the last stands in the middle
				if k == others {
					block = others / 2
				} else if k >= others/2 {
					block++
				}
				names := make([]Name, benchSegment)
				for i := range names {
					if names[i] = all[block*benchSegment+i]; mixed {
						names[i] = all[i*(others+1)+k]
					}
					names[i].Origin = names[i].Origin[len("data/00000/"):] // all in one directory
				}
				state := numberingState{next: next}
				n, err := NewNumbering(state.encode(), 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := n.Add(names); err != nil {
					b.Fatal(err)
				}
				if last, err = n.Finish(); err != nil {
					b.Fatal(err)
				}
				if next = last.Counts.End; k < others {
					if err := s.IngestFiles(context.Background(), TableOf(last.Files), last.Counts); err != nil {
						b.Fatal(err)
					}
				}
			}
			defer cpuEach(b)()
			for b.Loop() {
				n := &newcomers{s: s}
				if err := eachRecord(context.Background(), TableOf(last.Files), func(key, _ []byte) error { return n.check(key) }); err != nil {
					b.Fatal(err)
				}
				if err := n.close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

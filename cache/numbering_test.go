package cache

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func mustNumbering(t *testing.T, state []byte) *Numbering {
	t.Helper()
	n, err := NewNumbering(state, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func openSegments(t *testing.T) *Store {
	t.Helper()
	s, err := Open(Options{Dir: filepath.Join(t.TempDir(), "replica"), Origin: "test", Segments: true, Reserve: -1, FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ingestNames brings the names of a segment in, its directories first.
func ingestNames(t testing.TB, s *Store, tables *NameTables) {
	t.Helper()
	err := s.IngestDirs(context.Background(), SegmentDirs{TableOf(tables.Dirs), tables.Counts})
	if err == nil {
		err = s.IngestFiles(context.Background(), TableOf(tables.Files), tables.Counts)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func verifyClean(t *testing.T, s *Store) {
	t.Helper()
	report, err := s.Verify(context.Background(), func(problem string) { t.Error(problem) })
	if err != nil || report.Problems > 0 {
		t.Fatalf("%+v, %v", report, err)
	}
}

func TestSegmentOnce(t *testing.T) {
	ctx := context.Background()
	n := mustNumbering(t, nil)
	var names []Name
	for k := range 5000 {
		names = append(names, Name{Origin: fmt.Sprintf("a/b%d/f%05d", k/1000, k), Size: int64(k % 7), ModTime: 5})
	}
	if taken, err := n.Add(names); taken != len(names) || err != nil {
		t.Fatal(taken, err)
	}
	tables, err := n.Finish()
	if err != nil {
		t.Fatal(err)
	}
	s := openSegments(t)
	ingestNames(t, s, tables)
	verifyClean(t, s)

	w, err := OpenScratch(ctx, Options{Dir: filepath.Join(t.TempDir(), "scratch"), Reserve: -1}, TableOf(tables.Dirs), TableOf(tables.Files), TableOf(tables.Context), tables.Counts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fillScratch(t, w, tables.Counts)
	type part struct {
		n int
		b []byte
	}
	var parts []part
	counts, err := w.Export(ctx, ExportTo{Table: func(k int, t Table, _ []byte) error {
		b := make([]byte, t.Size)
		_, err := t.ReadAt(b, 0)
		parts = append(parts, part{k, b})
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v, %d parts", counts, len(parts))
	last := parts[len(parts)-1]
	if err := s.IngestOutcome(ctx, tables.Counts.First, TableOf(last.b), counts); err != nil {
		t.Fatal(err)
	}
	for _, p := range parts[:len(parts)-1] {
		if err := s.IngestContents(ctx, tables.Counts.First, p.n, TableOf(p.b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.EndListing(); err != nil {
		t.Fatal(err)
	}
	if p := s.Progress(); !p.Complete() {
		t.Errorf("%+v", p)
	}
	verifyClean(t, s)
	if _, err := s.TakeBack(ctx, tables.Counts.First, 1); err != nil {
		t.Fatal(err)
	}
	verifyClean(t, s)
	if p := s.Progress(); p.Fetched != 0 || p.Bytes != 0 {
		t.Errorf("%+v", p)
	}
}

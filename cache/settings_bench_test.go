package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// settings each change one thing of the database's options.
var settings = []struct {
	name string
	tune func(*pebble.Options)
}{
	{"as chosen", nil},
	{"memtable 64 MiB", func(o *pebble.Options) { o.MemTableSize = 64 << 20 }},
	{"blocks 4 KiB", levels(func(l *pebble.LevelOptions) { l.BlockSize = 4 << 10 })},
	{"blocks 32 KiB", levels(func(l *pebble.LevelOptions) { l.BlockSize = 32 << 10 })},
	{"filters on no level", levels(func(l *pebble.LevelOptions) { l.FilterPolicy = pebble.NoFilterPolicy })},
	{"filters on all levels", levels(func(l *pebble.LevelOptions) { l.FilterPolicy = bloom.FilterPolicy(bloomBits) })},
	{"no compression", levels(func(l *pebble.LevelOptions) {
		l.Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	})},
	{"zstd", levels(func(l *pebble.LevelOptions) {
		l.Compression = func() *sstable.CompressionProfile { return sstable.ZstdCompression }
	})},
	{"L0 4", func(o *pebble.Options) { o.L0CompactionThreshold = 4 }},
	{"L0 10", func(o *pebble.Options) { o.L0CompactionThreshold = 10 }},
	{"L0 40", func(o *pebble.Options) { o.L0CompactionThreshold, o.L0StopWritesThreshold = 40, 2*stopTables }},
	{"index 16 KiB", levels(func(l *pebble.LevelOptions) { l.IndexBlockSize = 16 << 10 })},
	{"values apart", func(o *pebble.Options) {
		o.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
			return pebble.ValueSeparationPolicy{Enabled: true, MinimumSize: 64, MaxBlobReferenceDepth: 10, TargetGarbageRatio: 1}
		}
	}},
	{"compactions 1", func(o *pebble.Options) { o.CompactionConcurrencyRange = func() (int, int) { return 1, 1 } }},
	{"compactions 3", func(o *pebble.Options) { o.CompactionConcurrencyRange = func() (int, int) { return 1, 3 } }},
}

func levels(change func(*pebble.LevelOptions)) func(*pebble.Options) {
	return func(o *pebble.Options) {
		for i := range o.Levels {
			change(&o.Levels[i])
		}
	}
}

// BenchmarkSettings mirrors b.N files as the engine does it, but without a network
// and on one goroutine, and reads some at random: `make bench-store`. For memory,
// run one setting alone under /usr/bin/time -v.
func BenchmarkSettings(b *testing.B) {
	for _, s := range settings {
		b.Run(s.name+"/in order", func(b *testing.B) { benchmarkSetting(b, s.tune, func(k, _ int) int { return k }) })
		b.Run(s.name+"/shuffled", func(b *testing.B) { benchmarkSetting(b, s.tune, scramble) })
	}
}

func benchmarkSetting(b *testing.B, tune func(*pebble.Options), listed func(k, n int) int) {
	o := Options{Dir: b.TempDir(), Origin: testOrigin, tune: tune}
	var before, after syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
	writeFiles(b, o, listed)
	b.StopTimer()
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(b.N), "CPU-ns/op")
	readFiles(b, o)
}

func must(b *testing.B, errs ...error) {
	b.Helper()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
}

// writeFiles mirrors b.N files into a new store, and closes it.
func writeFiles(b *testing.B, o Options, listed func(k, n int) int) {
	s, err := Open(o)
	must(b, err)
	pl, err := s.NewPlanner()
	must(b, err)
	const most = 1000 // files in a commit, as the engine has them
	for first := 0; first < b.N; first += SortMost {
		var names []Name
		for k := first; k < min(first+SortMost, b.N); k++ {
			names = append(names, Name{Origin: fileName(listed(k, b.N)), Size: -1})
		}
		if !slices.IsSortedFunc(names, func(a, b Name) int { return strings.Compare(a.Origin, b.Origin) }) {
			pl.Sort(names)
		}
		for part := range slices.Chunk(names, most) {
			page, err := pl.Plan(part)
			must(b, err, page.Load())
			for k := range page.Len() {
				i, err := strconv.Atoi(strings.TrimPrefix(page.Name(k), "file-"))
				must(b, err)
				if page.Open(k) {
					must(b, page.Put(k, fileBody(i), 0, nil))
				}
			}
			must(b, page.Commit(), page.Close(), s.Advance(Mark{Listing: true, Marker: fileName(first), Listed: page.End(), Settled: page.End()}))
		}
	}
	must(b, s.Advance(Mark{Listing: true, ListingComplete: true}), s.Tally(b.Context()))
	if p := s.Progress(); p.Fetched != uint64(b.N) || !p.Complete() {
		b.Fatalf("wrote %d files, the store says %+v", b.N, p)
	}
	must(b, s.Close())
}

// readFiles opens the store again and reads 200,000 files.
func readFiles(b *testing.B, o Options) {
	s, err := Open(o)
	must(b, err)
	b.ReportMetric(float64(s.db.Metrics().DiskSpaceUsage())/float64(b.N), "disk-B/op")
	reads := min(b.N, 200_000)
	buf := make([]byte, 200)
	start := time.Now()
	for k := range reads {
		i := scramble(k, b.N)
		e, err := s.Lookup(RootInode, fileName(i))
		must(b, err)
		if n, err := s.ReadAt(e.Inode, buf, 0); err != nil || !bytes.Equal(buf[:n], fileBody(i)) {
			b.Fatalf("%s is not what was written: %q, %v", fileName(i), buf[:n], err)
		}
	}
	b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(reads), "ns/read")
	must(b, s.Close())
}

func fileName(i int) string { return fmt.Sprintf("file-%012d", i) }

// fileBody is 100 bytes that do not compress, and differ in each file.
func fileBody(i int) []byte {
	body := make([]byte, 0, 104)
	for random := rand.NewPCG(uint64(i), 0); len(body) < 100; {
		body = binary.LittleEndian.AppendUint64(body, random.Uint64())
	}
	return body[:100]
}

// scramble is a bijection of [0, n) that needs no memory: steps that are
// bijections of the numbers below a power of two, until the number is below n.
func scramble(k, n int) int {
	width := bits.Len(uint(n))
	for again := true; again; again = k >= n {
		for range 3 {
			k = (k*0x5851f42d4c957f2d + 1) & (1<<width - 1)
			k ^= k >> (width/2 + 1)
		}
	}
	return k
}

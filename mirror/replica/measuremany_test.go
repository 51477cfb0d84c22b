package replica

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// late is a store that takes its time for each object.
type late struct {
	objects.Store
	wait time.Duration
	gets atomic.Int64
	got  atomic.Int64 // bytes
}

func (l *late) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	l.gets.Add(1)
	time.Sleep(l.wait)
	from, size, err := l.Store.Get(ctx, name, off, n)
	if n < 0 {
		n = size
	}
	l.got.Add(n)
	return from, size, err
}

// TestMeasureSegments makes a mirror of as many segments as MOTEFS_MEASURE_SEGMENTS says, each with 65 new
// directories in the root, as one of 65,536 files has in directories of 1,000, and a file in each. A manifest
// has 64 segments, each 8 tables of contents. It prints what a mount of it takes, and asserts nothing.
func TestMeasureSegments(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("MOTEFS_MEASURE_SEGMENTS"))
	if err != nil {
		return // nobody measures
	}
	const dirs = 65
	memory := objectstest.New(objectstest.Options{})
	w := newWorld(t, 1, memory, worldOptions{})
	w.listing = make([]cache.Name, 1) // more comes
	began := time.Now()
	for seq := range n {
		var names []cache.Name
		for k := range dirs {
			names = append(names, cache.Name{Origin: fmt.Sprintf("d%07d/f", seq*dirs+k), Size: 100, ModTime: 1_600_000_000})
		}
		sealed := w.named(names, seq == n-1)
		sealed.Counts = cache.ContentCounts{Fetched: sealed.Part.Files, Bytes: 100 * sealed.Part.Files}
		for part := range 9 {
			last := cache.EntryKey(sealed.Part.First, names[min(dirs-1, part*dirs/8)].Origin)
			sealed.Tables = append(sealed.Tables, segments.Table{Size: 8 << 20, Sum: w.random.Uint64(), Last: last})
		}
		w.ready = append(w.ready, sealed)
		if seq%64 == 63 && seq < n-1 {
			w.seal(nil)
		}
	}
	w.listing, w.listed = nil, 0
	all := segments.Index{}
	if _, err := w.reader.Follow(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	full := segments.Manifest{Number: all.Next - 1, Attempt: segments.NewAttempt(), Full: true, Segments: all.Segments}
	if _, err := w.reader.WriteManifest(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	_, size, err := memory.Get(t.Context(), segments.FullName(full.Number), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	left := len(w.ready)
	w.seal(nil)
	t.Logf("%d segments, %d in the last manifest, made in %v; the full manifest has %d bytes, %d a segment", n, left, time.Since(began).Round(time.Second), size, size/int64(len(all.Segments)))
	full.Segments, all = nil, segments.Index{}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, wait := range []time.Duration{0, 10 * time.Millisecond} {
		store, dir := &late{Store: memory, wait: wait}, t.TempDir()+"/store"
		quiet := func(o *Options) { o.quiet, o.Poll = true, time.Hour }
		var r *Replica
		timed := func(what string, fn func()) {
			gets, got, before := store.gets.Load(), store.got.Load(), heap()
			began := time.Now()
			fn()
			took := time.Since(began)
			t.Logf("%v a get: %-28s %8v, %6d gets, %9d bytes, %+5.1f MB", wait, what, took.Round(time.Millisecond), store.gets.Load()-gets, store.got.Load()-got, float64(heap()-before)/1e6)
		}
		timed("ready", func() { r = opened(t, dir, store, quiet) })
		timed("a poll without news", func() { w.must(r.once(t.Context(), r.poll)) })
		timed("the first ls of the root", func() {
			all, err := newReader(r, 1).list(t.Context(), cache.RootInode)
			if err != nil || len(all) != n*dirs {
				t.Errorf("%d of %d names, %v", len(all), n*dirs, err)
			}
		})
		timed("ls again", func() {
			if _, err := newReader(r, 1).list(t.Context(), cache.RootInode); err != nil {
				t.Error(err)
			}
		})
		w.must(r.Close())
		timed("ready again", func() { r = opened(t, dir, store, quiet) })
		w.must(r.Close())
		if info, err := os.Stat(dir + "/" + ours + "/" + indexFile); err == nil {
			t.Logf("INDEX has %d bytes", info.Size())
		}
	}
}

package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

func TestFirstBytesBeforeTheLast(t *testing.T) {
	listedOrNot(t, 9*mib+17, 2*mib, func(t *testing.T, r *rig, h *heldFile, e *mirror.Engine) {
		entry := r.fetch(e)
		if !entry.Arriving || entry.Here() || entry.Size != 9*mib+17 || entry.ETag != `"v0"` {
			t.Fatalf("shown as %+v", entry)
		}
		r.sees(e, h, entry, 0, 0, 100)
		r.sees(e, h, entry, 0, mib, 128<<10)
		if a, gen := e.Shown(entry.Inode); a == nil || !reflect.DeepEqual(*a, entry) || gen != 0 {
			t.Errorf("shown %+v, generation %d", a, gen)
		}
		var wg sync.WaitGroup // these are in the middle when it becomes whole
		for i := range int64(8) {
			wg.Go(func() { r.sees(e, h, entry, 0, 4*mib+i*100_000, 128<<10) })
		}
		h.release()
		wg.Wait()
		stored := r.landed(e)
		if stored.Inode != entry.Inode || stored.Size != entry.Size || stored.Fetched != entry.Fetched {
			t.Errorf("shown as %+v, stored as %+v", entry, stored)
		}
		r.sees(e, h, entry, 0, 9*mib, 17)
		if n := r.server.Gets(longName); n != 1 {
			t.Errorf("%d gets", n)
		}
		r.must(e.Run(context.Background()))
		r.complete(1)
		r.whole(e, h, 0)
	})
}

func TestManyReadersOneStream(t *testing.T) {
	r, h := longRig(t, 8*mib, mib)
	e := r.engine(nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			entry := r.fetch(e)
			r.sees(e, h, entry, 0, 0, 1000)
			if entry = r.fetch(e); !entry.Arriving {
				t.Errorf("found again as %+v", entry)
			}
		})
	}
	wg.Wait()
	h.release()
	r.whole(e, h, 0)
	if n := r.server.Gets(longName); n != 1 {
		t.Errorf("%d gets", n)
	}
}

func TestStreamIsResumed(t *testing.T) {
	for what, fault := range map[string]origintest.Fault{
		"by a range":  {},
		"from anew":   {NoRange: true},
		"cut as well": {Mode: origintest.CutBody, N: mib},
	} {
		t.Run(what, func(t *testing.T) {
			r, h := longRig(t, 8*mib, 1<<60)
			r.server.SetFaults(origintest.Faults{
				OnGet:   origintest.FirstTries(1, origintest.Fault{Mode: origintest.CutBody, N: 5 * mib}),
				OnRange: func([]byte, string) origintest.Fault { return fault },
			})
			e := r.engine(nil)
			entry := r.fetch(e)
			r.sees(e, h, entry, 0, 7*mib, mib)
			r.whole(e, h, 0)
			if n := r.server.Counts().Status[200]; what == "by a range" && n != 1 {
				t.Errorf("%d whole answers", n)
			}
		})
	}
}

// TestVersionChanges has the origin change the file in the middle of a stream
// that then breaks off: no reader sees bytes of both, and the next gets the new
// one under the same number and another generation.
func TestVersionChanges(t *testing.T) {
	for what, change := range map[string]func(h *heldFile){
		"validator":    func(h *heldFile) { h.mu.etag = `"v1"` },
		"content only": func(h *heldFile) {},
		"length":       func(h *heldFile) { h.mu.size = 7 * mib },
	} {
		listedOrNot(t, 8*mib, 1<<60, func(t *testing.T, r *rig, h *heldFile, e *mirror.Engine) {
			broken := make(chan struct{})
			r.server.SetFaults(origintest.Faults{
				OnGet: origintest.FirstTries(1, origintest.Fault{Mode: origintest.CutBody, N: 5 * mib}),
				OnRange: func([]byte, string) origintest.Fault {
					<-broken
					return origintest.Fault{NoRange: true}
				},
			})
			entry := r.fetch(e)
			r.sees(e, h, entry, 0, 0, mib)
			h.set(func() {
				h.mu.version = 1
				change(h)
			})
			close(broken)
			p := make([]byte, 100)
			if _, ok, err := e.ReadAt(context.Background(), entry.Inode, p, 6*mib, time.Minute); !ok || !errors.Is(err, mirror.ErrChanged) {
				t.Errorf("%s: a reader gets %v, %v", what, ok, err)
			}
			if _, err := e.Arriving(entry.Inode); err == nil {
				t.Errorf("%s: it has attributes", what)
			}
			anew := r.fetch(e)
			if _, _, err := e.ReadAt(context.Background(), entry.Inode, p, 0, time.Minute); err == nil {
				t.Errorf("%s: who has it open reads on", what)
			}
			if _, gen := e.Shown(anew.Inode); anew.Inode != entry.Inode || gen != 1 {
				t.Errorf("%s: inode %d and then %d, generation %d", what, entry.Inode, anew.Inode, gen)
			}
			r.sees(e, h, anew, 1, 6*mib, 100)
			r.whole(e, h, 1)
		})
	}
}

func TestOriginFailsInTheMiddle(t *testing.T) {
	listedOrNot(t, 8*mib, 1<<60, func(t *testing.T, r *rig, h *heldFile, e *mirror.Engine) {
		first := origintest.FirstTries(1, origintest.Fault{Mode: origintest.CutBody, N: 5 * mib})
		r.server.SetFaults(origintest.Faults{
			OnGet: func(name []byte, n int) origintest.Fault {
				if n == 0 {
					return first(name, n)
				}
				return origintest.Fault{Status: 500}
			},
			OnRange: func([]byte, string) origintest.Fault { return origintest.Fault{Status: 500} },
		})
		entry := r.fetch(e)
		p := make([]byte, 100)
		_, _, err := e.ReadAt(context.Background(), entry.Inode, p, 7*mib, time.Minute)
		if status := (*mirror.StatusError)(nil); !errors.As(err, &status) || status.Code != 500 {
			t.Errorf("a reader gets %v", err)
		}
		r.must(e.Close())
		if e, err := r.store.Lookup(cache.RootInode, longName); err != nil || e.State != cache.Pending {
			t.Errorf("it ends as %+v, %v", e, err)
		}
		r.verify()
		r.noTemporaryFile()
		r.server.SetFaults(origintest.Faults{})
		r.must(r.run(nil)) // a mirror comes back to it
		r.complete(1)
	})
}

func TestCloseWhileItArrives(t *testing.T) {
	listedOrNot(t, 64*mib, mib, func(t *testing.T, r *rig, h *heldFile, e *mirror.Engine) {
		r.server.SetFaults(origintest.Faults{OnRange: func([]byte, string) origintest.Fault { return origintest.Fault{Mode: origintest.Hang} }})
		entry := r.fetch(e)
		ended := make(chan error, 2)
		for _, off := range []int64{3 * mib, 50 * mib} {
			go func() {
				_, _, err := e.ReadAt(context.Background(), entry.Inode, make([]byte, 100), off, time.Hour)
				ended <- err
			}()
		}
		r.must(e.Close())
		for range 2 {
			if err := <-ended; !errors.Is(err, mirror.ErrClosed) && !errors.Is(err, context.Canceled) {
				t.Errorf("a reader gets %v", err)
			}
		}
		r.verify()
		r.noTemporaryFile()
		h.release()
		r.server.SetFaults(origintest.Faults{})
		r.must(r.run(nil))
		r.complete(1)
	})
}

func TestWaitForBytesEnds(t *testing.T) {
	r, _ := longRig(t, 64*mib, mib)
	r.server.SetFaults(origintest.Faults{OnRange: func([]byte, string) origintest.Fault { return origintest.Fault{Mode: origintest.Hang} }})
	e := r.engine(nil)
	entry := r.fetch(e)
	p := make([]byte, 100)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, ok, err := e.ReadAt(ctx, entry.Inode, p, 2*mib, time.Hour); !ok || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", ok, err)
	}
	if _, ok, err := e.ReadAt(context.Background(), entry.Inode, p, 50*mib, time.Millisecond); !ok || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", ok, err)
	}
	if n, ok, err := e.ReadAt(context.Background(), entry.Inode, p, 64*mib, time.Hour); !ok || n != 0 || err != nil {
		t.Errorf("past the end: %d, %v, %v", n, ok, err)
	}
	if a, err := e.Arriving(entry.Inode); a == nil || err != nil {
		t.Error("the fetch ended with its readers")
	}
}

// TestMirrorAndReaderAtOnce has both fetch one file: whoever commits second gives
// its own up.
func TestMirrorAndReaderAtOnce(t *testing.T) {
	for _, changed := range []bool{false, true} {
		t.Run(fmt.Sprintf("changed=%v", changed), func(t *testing.T) {
			r, h := longRig(t, 8*mib, mib)
			e := r.engine(nil)
			entry := r.fetch(e)
			r.sees(e, h, entry, 0, 0, 1000)
			version := int64(0)
			if changed {
				version = 1
				h.set(func() { h.mu.version, h.mu.etag = 1, `"v1"` })
			}
			// The mirror asks from the beginning, too: let its answer through.
			r.server.SetFaults(origintest.Faults{})
			done := make(chan error, 1)
			go func() { done <- e.Run(context.Background()) }()
			h.release()
			r.must(<-done)
			for {
				a, err := e.Arriving(entry.Inode)
				if a == nil {
					if err != nil && (!changed || !errors.Is(err, mirror.ErrChanged)) {
						t.Error(err)
					}
					break
				}
				runtime.Gosched()
			}
			e.Shown(entry.Inode)
			stored, err := r.store.Lookup(cache.RootInode, longName)
			r.must(err)
			if stored.ETag == `"v0"` {
				version = 0
			}
			r.complete(1)
			r.whole(e, h, version)
			if rep, err := r.store.Verify(context.Background(), func(string) {}); err != nil || rep.Unreferenced != 0 {
				t.Errorf("%+v, %v", rep, err)
			}
		})
	}
}

// TestArrivingInBoundedMemory reads 256 MiB while they come, in a heap that has
// no room for them.
func TestArrivingInBoundedMemory(t *testing.T) {
	const size, most = 256 * mib, 64 * mib
	r, h := longRig(t, size, 1<<60)
	e := r.engine(nil)
	entry := r.fetch(e)
	p := make([]byte, 128<<10)
	var peak uint64
	for off := int64(0); off < size; off += int64(len(p)) {
		n, ok, err := e.ReadAt(context.Background(), entry.Inode, p, off, time.Minute)
		if err == nil && !ok {
			n, err = r.store.ReadAt(entry.Inode, p, off)
		}
		if err != nil || n != len(p) {
			t.Fatalf("at %d: %d, %v", off, n, err)
		}
		if off%(32*mib) == 0 {
			if !bytes.Equal(p, h.content(0, off, int64(n))) {
				t.Errorf("other bytes at %d", off)
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	if peak > most {
		t.Errorf("%d MiB of heap", peak/mib)
	}
	r.landed(e)
}

// TestUnlistedFileCutShort has kill -9 leave a file that readers were shown and no
// page lists, its number between those of pages that are settled: the store is
// sound, and the next run comes back to the file.
func TestUnlistedFileCutShort(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 10_000})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	var once sync.Once
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if string(name) == src.Name(5000) {
			once.Do(func() {
				page, err := r.store.Ask(cache.RootInode, "unlisted")
				if err == nil {
					err = page.Commit() // and nothing after that
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		return origintest.Fault{}
	}})
	r.must(r.run(nil))
	r.verify()
	if p := r.store.Progress(); p.Complete() || p.Fetched != 10_000 || p.Files != 10_001 {
		t.Errorf("before: %+v", p)
	}
	r.must(r.run(nil))
	r.verify()
	if p := r.store.Progress(); !p.Complete() || p.Gone != 1 || p.Settled != p.Next {
		t.Errorf("after: %+v", p)
	}
}

package mirror

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/motefs/motefs/cache"
)

func openStore(t *testing.T) *cache.Store {
	t.Helper()
	s, err := cache.Open(cache.Options{Dir: t.TempDir(), Origin: "made", FlushEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// madeBatch is the k-th batch, from 0, of a listing of 1,000 names each.
func madeBatch(k int) *batch {
	end := cache.FirstInode + cache.Inode(1000*(k+1))
	return &batch{mark: cache.Mark{Listing: true, Marker: fmt.Sprint(k), Listed: end, Settled: end}}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestBatchesDoneBehindASlowOne has 20 million names fetched behind a batch with
// a file that takes hours.
func TestBatchesDoneBehindASlowOne(t *testing.T) {
	const batches = 20_000
	const most = 256 << 10 // bytes, for however many
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := openStore(t)
	tr := newTracker(s, true)
	slow := madeBatch(0)
	tr.add(slow)
	before := heap()
	var open []*batch // as many as connections have under way
	finish := func() {
		i := rng.IntN(len(open))
		if err := tr.finish(open[i], true); err != nil {
			t.Fatal(err)
		}
		open = slices.Delete(open, i, i+1)
	}
	for k := 1; k < batches; k++ {
		b := madeBatch(k)
		names := make([]byte, 100<<10)
		b.release = func() { names[0]++ }
		tr.add(b)
		open = append(open, b)
		if len(open) == 32 {
			finish()
		}
		if k%2000 == 0 {
			held := uint64(len(open)) * (100 << 10)
			if now := heap(); now > before+held+most {
				t.Fatalf("%d batches behind one hold %d bytes", k, now-before-held)
			}
		}
	}
	for len(open) > 0 {
		finish()
	}
	if p := s.Progress(); p.Marker != "" || p.Settled != cache.FirstInode {
		t.Errorf("the checkpoint moved over a batch that is not done: %+v", p)
	}
	if now := heap(); now > before+most {
		t.Errorf("%d bytes are held", now-before)
	}
	if err := tr.finish(slow, true); err != nil {
		t.Fatal(err)
	}
	want := madeBatch(batches - 1).mark
	if p := s.Progress(); p.Marker != want.Marker || p.Settled != want.Settled || p.Listed != want.Listed {
		t.Errorf("in the end: %+v", p)
	}
}

// TestTrackerInAnyOrder has batches finish in any order, some of them with files
// left open, and wants the checkpoint after each to be what those without a gap
// before them make it.
func TestTrackerInAnyOrder(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			s := openStore(t)
			m := &trackerModel{s: s, settling: rng.IntN(4) > 0}
			tr := newTracker(s, m.settling)
			rare := rng.IntN(200) + 1 // how rarely a batch leaves files open
			for k := 0; k < 300 || len(m.open()) > 0; k++ {
				if k < 300 {
					b := madeBatch(k)
					b.mark.Skipped = rng.Uint64N(3)
					if rng.IntN(3) == 0 { // cut from the middle of a page, or of pending files
						b.mark = cache.Mark{Settled: b.mark.Settled}
					}
					b.mark.ListingComplete = b.mark.Listing && k == 299
					tr.add(b)
					m.batches = append(m.batches, &modelBatch{batch: b, mark: b.mark})
				}
				for open := m.open(); len(open) > 0 && (k >= 300 || len(open) > rng.IntN(20)); open = m.open() {
					b := open[rng.IntN(len(open))]
					b.done, b.settled = true, rng.IntN(rare) > 0
					if err := tr.finish(b.batch, b.settled); err != nil {
						t.Fatal(err)
					}
					m.check(t)
				}
			}
		})
	}
}

// trackerModel remembers every batch.
type trackerModel struct {
	s        *cache.Store
	settling bool
	batches  []*modelBatch
}

type modelBatch struct {
	*batch
	mark          cache.Mark
	done, settled bool
}

func (m *trackerModel) open() (open []*modelBatch) {
	for _, b := range m.batches {
		if !b.done {
			open = append(open, b)
		}
	}
	return open
}

func (m *trackerModel) check(t *testing.T) {
	t.Helper()
	want := cache.Progress{Listed: cache.FirstInode, Next: cache.FirstInode, Settled: cache.FirstInode}
	settled := m.settling
	for _, b := range m.batches {
		if !b.done {
			break
		}
		if b.mark.Listing {
			want.Marker, want.ListingComplete, want.Listed = b.mark.Marker, b.mark.ListingComplete, b.mark.Listed
			want.Skipped += b.mark.Skipped
		}
		if settled = settled && b.settled; settled {
			want.Settled = b.mark.Settled
		}
	}
	got := m.s.Progress()
	if (got.ListedAt != 0) != want.ListingComplete {
		t.Fatalf("listed at %d, and complete %v", got.ListedAt, want.ListingComplete)
	}
	want.ListedAt = got.ListedAt
	if got != want {
		t.Fatalf("the checkpoint is %+v\nwant %+v", got, want)
	}
}

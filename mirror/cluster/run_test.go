package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

// TestUnordered mirrors a listing that has no order, and names that come twice.
func TestUnordered(t *testing.T) {
	files := testFiles(2000)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	listed := append([]origintest.File{}, files...)
	rng.Shuffle(len(listed), func(i, j int) { listed[i], listed[j] = listed[j], listed[i] })
	listed = append(listed, listed[:300]...)
	r := newRig(t, listed, 170)
	result, err := r.run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Files != 2000 || result.Fetched != 2000 {
		t.Errorf("%+v", result)
	}
	r.compare(t.Context(), files, nil)
}

// TestGone mirrors files that are gone, and some that fail.
func TestGone(t *testing.T) {
	files := testFiles(700)
	r := newRig(t, files, 100)
	gone := map[string]bool{}
	for _, f := range files[100:120] {
		r.src.Vanish(f.Name)
		gone[f.Name] = true
	}
	result, err := r.run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !result.Complete || result.Gone != 20 || result.Fetched != 680 || result.Failed != 0 {
		t.Errorf("%+v", result)
	}
	r.compare(t.Context(), files, gone)
}

// TestGoesOn has a process end in the middle, anywhere, again and again. What is committed
// is not fetched again, and a listing that stopped within a page goes on there.
func TestGoesOn(t *testing.T) {
	files := testFiles(1400)
	for _, page := range []int{90, 100_000} {
		r := newRig(t, files, page)
		ends := 0
		for {
			ctx, cancel := context.WithCancelCause(t.Context())
			_, err := r.run(ctx, func(o *Options) {
				o.Store = &ending{Store: o.Store, left: 4, end: func() { cancel(errStopped) }}
			})
			cancel(nil)
			if err == nil {
				break
			}
			if !errors.Is(err, errStopped) {
				t.Fatal(err)
			}
			ends++
		}
		if ends < 2 { // eight objects at least, of which four end one
			t.Errorf("pages of %d: it ended %d times", page, ends)
		}
		r.compare(t.Context(), files, nil)
		// Of what is committed nothing is asked for again; what was under way may be, twice.
		if n := r.server.Counts().Gets; n > int64(len(files)+ends*2*500+500) {
			t.Errorf("pages of %d: %d gets of %d files, ended %d times", page, n, len(files), ends)
		}
	}
}

var errStopped = errors.New("ended by the test")

// ending is a store that ends a process after so many objects were written.
type ending struct {
	objects.Store
	left int64
	end  func()
}

func (e *ending) Create(ctx context.Context, name string, body objects.Body) error {
	if atomic.AddInt64(&e.left, -1) == 0 {
		e.end()
	}
	return e.Store.Create(ctx, name, body)
}

// TestPageChanged has a page that is longer than a segment change while no process runs. All
// that is listed then is in the mirror, once, and what was listed before stays.
func TestPageChanged(t *testing.T) {
	files := testFiles(2600)
	r := newRig(t, files, 100_000)
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, err := r.run(ctx, func(o *Options) {
		o.Store = &ending{Store: o.Store, left: 3, end: func() { cancel(errStopped) }}
	}); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	more := append([]origintest.File{{Name: "a/new", Body: []byte("new")}}, files...)
	r.src.Set(more...)
	result, err := r.run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Files != 2601 {
		t.Errorf("%+v", result)
	}
	r.compare(t.Context(), more, nil)
}

// TestExpiredMarker has the origin refuse the marker at which the listing stopped.
func TestExpiredMarker(t *testing.T) {
	files := testFiles(2600)
	r := newRig(t, files, 130)
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, err := r.run(ctx, func(o *Options) {
		o.Store = &ending{Store: o.Store, left: 3, end: func() { cancel(errStopped) }}
	}); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	refused := 0
	r.server.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		if marker != "" && refused == 0 {
			refused++
			return origintest.Fault{Status: 400}
		}
		return origintest.Fault{}
	}})
	result, err := r.run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Files != 2600 || refused != 1 {
		t.Errorf("%+v, %d markers were refused", result, refused)
	}
	r.compare(t.Context(), files, nil)
}

// TestOriginAway has the origin go away for good: a process says so, and another goes on.
func TestOriginAway(t *testing.T) {
	files := testFiles(1500)
	r := newRig(t, files, 100)
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if strings.HasPrefix(string(name), "d03/") {
			return origintest.Fault{Status: 502}
		}
		return origintest.Fault{}
	}, OnList: func(string, int) origintest.Fault { return origintest.Fault{Status: 502} }})
	_, err := r.run(t.Context(), func(o *Options) { o.Engine.Outage = 300 * time.Millisecond })
	if !errors.Is(err, mirror.ErrOutage) {
		t.Errorf("an origin that is away: %v", err)
	}
	r.server.SetFaults(origintest.Faults{})
	if _, err := r.run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.compare(t.Context(), files, nil)
}

// TestReserve has a process whose disk has less free than is to be kept so.
func TestReserve(t *testing.T) {
	r := newRig(t, testFiles(20), 100)
	_, err := r.run(t.Context(), func(o *Options) { o.Reserve, o.Engine.Outage, o.Haste = 1<<60, 300*time.Millisecond, maxHaste })
	if !cache.NoRoom(err) {
		t.Errorf("%v", err)
	}
}

// TestCommitUnknown has a process end while it does not know whether its commit stands. It does, so
// nothing may be removed that it refers to.
func TestCommitUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t, 1)
		m.origin = &fakeOrigin{names: []string{"a", "b", "c5"}, page: 10}
		ctx, cancel := context.WithCancelCause(t.Context())
		store := objects.Retry(&unheard{Store: m.store, end: func() { cancel(errStopped) }}, zerolog.Nop())
		head, err := segments.Open(ctx, store, modelOrigin, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		run := func(ctx context.Context, store objects.Store) error {
			p, err := Open(Options{Store: store, Mirror: head, Bus: NewLocal(), source: &fakeSource{l: newLife(), rng: m.rng, origin: m.origin}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Run(ctx)
			return err
		}
		if err := run(ctx, store); !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		if err := run(t.Context(), m.store); err != nil {
			t.Fatal(err)
		}
		m.check()
	})
}

// unheard is a store that does a commit, and ends the process instead of saying so.
type unheard struct {
	objects.Store
	end func()
}

func (u *unheard) Create(ctx context.Context, name string, body objects.Body) error {
	err := u.Store.Create(ctx, name, body)
	if strings.HasPrefix(name, segments.CommitsPrefix) {
		u.end()
		return objects.ErrAway
	}
	return err
}

// TestAway has the object store be away for longer than is allowed.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t, 1)
		m.origin = &fakeOrigin{names: []string{"a"}, page: 10}
		head, err := segments.Open(t.Context(), m.store, modelOrigin, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		client := m.store.Client(objectstest.Options{})
		client.SetAway(true)
		p, err := Open(Options{
			Store: objects.Retry(client, zerolog.Nop()), Mirror: head, Bus: NewLocal(),
			source: &fakeSource{l: newLife(), rng: m.rng, origin: m.origin},
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = p.Run(t.Context())
		if took := time.Since(began); !errors.Is(err, objects.ErrAway) || took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// holding is a source whose first segment waits for files until the second is fetched.
type holding struct {
	*fakeSource
	second chan struct{}
}

func (h *holding) Fetch(ctx context.Context, seg *named, out output) (cache.ContentCounts, error) {
	switch seg.Seq {
	case 0:
		out.Waiting(1)
		select {
		case <-h.second:
		case <-ctx.Done():
			return cache.ContentCounts{}, context.Cause(ctx)
		}
	case 1:
		close(h.second)
	}
	return h.fakeSource.Fetch(ctx, seg, out)
}

// heavy is a source whose segments wait for files with so much on the disk; order is that in which they are
// begun, +, and ended, -.
type heavy struct {
	*fakeSource
	bytes int64
	mu    sync.Mutex
	order string
}

func (h *heavy) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.order += what
}

func (h *heavy) Fetch(ctx context.Context, seg *named, out output) (cache.ContentCounts, error) {
	h.note("+")
	out.Waiting(h.bytes)
	if err := sleep(ctx, time.Minute); err != nil {
		return cache.ContentCounts{}, err
	}
	h.note("-")
	return h.fakeSource.Fetch(ctx, seg, out)
}

// TestWaitingOnTheDisk has segments that wait for files take more of the disk than such may: each of them
// keeps its slot. Where they take less, all wait at the same time.
func TestWaitingOnTheDisk(t *testing.T) {
	for bytes, want := range map[int64]string{waitingBytes + 1: "+-+-+-", waitingBytes / 3: "+++---"} {
		synctest.Test(t, func(t *testing.T) {
			m := newModel(t, 1)
			m.origin = &fakeOrigin{names: []string{"a", "b", "c"}, page: 1}
			source := &heavy{fakeSource: &fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(3, 3)), origin: m.origin}, bytes: bytes}
			runAlone(t, m, source)
			if got := source.order; got != want {
				t.Errorf("with %d bytes each: %s, and not %s", bytes, got, want)
			}
		})
	}
}

// runAlone has a process with one slot mirror a model's origin, a segment for each name.
func runAlone(t *testing.T, m *model, source source) {
	t.Helper()
	head, err := segments.Open(t.Context(), m.store, modelOrigin, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(Options{Store: m.store, Mirror: head, Bus: NewLocal(), Slots: 1, SegmentNames: 1, source: source})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	m.check()
}

// TestWaiting has a segment wait for files that do not come, which does not keep the only slot.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t, 1)
		m.origin = &fakeOrigin{names: []string{"a", "b", "c"}, page: 1}
		runAlone(t, m, &holding{&fakeSource{l: newLife(), rng: rand.New(rand.NewPCG(3, 3)), origin: m.origin}, make(chan struct{})})
	})
}

package objects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/rs/zerolog"
)

// TestRetrier holds a store that has troubles, by a seed, to what one promises that has
// none: but that Create may fail for whoever won, which Claim sees.
func TestRetrier(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			o := objectstest.Options{Faults: objectstest.Some, Seed: seed}
			m := objectstest.New(o)
			s := objects.Retry(m, zerolog.Nop())
			text := bytes.Repeat([]byte("0123456789"), 1000)
			var want []string
			for i := range 50 {
				name := fmt.Sprintf("put/%02d", i)
				want = append(want, name)
				if err := s.Put(t.Context(), name, objects.BytesBody(text)); err != nil {
					t.Fatal(err)
				}
				off, n := int64(i*100), int64(rand.IntN(1000))
				got, size, err := objectstest.Get(t.Context(), s, name, off, n)
				if err != nil || size != int64(len(text)) || !bytes.Equal(got, text[off:off+n]) {
					t.Fatalf("get: %d bytes of %d, not %d: %v", len(got), size, n, err)
				}
			}
			for range 20 {
				infos, err := objectstest.List(t.Context(), s, "put/", "")
				var got []string
				for _, i := range infos {
					got = append(got, i.Name)
				}
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("listed %q, %v", got, err)
				}
			}
			for _, name := range want {
				if err := s.Delete(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			if left := m.Objects(); len(left) > 0 {
				t.Errorf("%d objects are left", len(left))
			}
			if err := objects.Probe(t.Context(), s); err != nil {
				t.Errorf("probe: %v", err)
			}
		})
	}
}

// TestClaims has several who lose answers claim one name: one wins, and the others read it.
func TestClaims(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		m := objectstest.New(objectstest.Options{})
		for round := range 50 {
			name := fmt.Sprintf("claims/%d", round)
			won, winners := make([]bool, 8), make([][]byte, 8)
			var wg sync.WaitGroup
			for i := range won {
				f := objectstest.Some
				f.Lost = 0.5
				s := objects.Retry(m.Client(objectstest.Options{Faults: f, Seed: seed + uint64(8*round+i)}), zerolog.Nop())
				wg.Go(func() {
					var err error
					if won[i], winners[i], err = objects.Claim(t.Context(), s, name, objects.BytesBody([]byte{byte(i)})); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			text := m.Objects()[name]
			for i := range won {
				if mine := text[0] == byte(i); won[i] != mine || !mine && !bytes.Equal(winners[i], text) {
					t.Errorf("round %d: %d won: %v, and read %q; %q is there", round, i, won[i], winners[i], text)
				}
			}
		}
	})
}

// TestClaimOfSomethingLong compares more than it returns.
func TestClaimOfSomethingLong(t *testing.T) {
	m := objectstest.New(objectstest.Options{})
	text := make([]byte, objects.WinnerBytes+100)
	other := bytes.Clone(text)
	other[len(other)-1] = 1
	for i, c := range []struct {
		text []byte
		won  bool
	}{{text, true}, {other, false}, {text[:50], false}, {text, true}} {
		won, winner, err := objects.Claim(t.Context(), m, "long", objects.BytesBody(c.text))
		if err != nil || won != c.won || !won && !bytes.Equal(winner, text[:objects.WinnerBytes]) {
			t.Errorf("%d: %v, %d bytes, %v", i, won, len(winner), err)
		}
	}
}

// TestClaimVanishes has the winner be deleted before it is read, and always.
func TestClaimVanishes(t *testing.T) {
	var m *objectstest.Memory
	always := false
	m = objectstest.New(objectstest.Options{Hook: func(op objectstest.Op, name string) objectstest.Fault {
		if op == objectstest.OpGet {
			if err := m.Client(objectstest.Options{}).Delete(context.Background(), name); err != nil {
				t.Error(err)
			}
		}
		if op == objectstest.OpCreate && always {
			if err := m.Client(objectstest.Options{}).Put(context.Background(), name, objects.BytesBody([]byte("other"))); err != nil {
				t.Error(err)
			}
		}
		return objectstest.Fine
	}})
	if err := m.Put(t.Context(), "claim", objects.BytesBody([]byte("other"))); err != nil {
		t.Fatal(err)
	}
	if won, _, err := objects.Claim(t.Context(), m, "claim", objects.BytesBody([]byte("mine"))); !won || err != nil {
		t.Errorf("one that is deleted: %v, %v", won, err)
	}
	always = true
	if won, _, err := objects.Claim(t.Context(), m, "claim", objects.BytesBody([]byte("mine"))); won || !errors.Is(err, objects.ErrUnfit) {
		t.Errorf("one that is never there: %v, %v", won, err)
	}
}

// TestAway has a store be away for ten minutes: all waits, the log says so now and then, and that
// it is back; nothing that does not pass is tried again.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := objectstest.New(objectstest.Options{})
		s := objects.Retry(m, zerolog.New(&log).Level(zerolog.InfoLevel))
		m.SetAway(true)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := s.Put(t.Context(), fmt.Sprintf("a/%d", i), objects.BytesBody(nil)); err != nil {
					t.Error(err)
				}
			})
		}
		const minutes = 10
		time.Sleep(minutes * time.Minute)
		if since, why := s.Away(); since.IsZero() || since.Sub(start) > time.Second || !errors.Is(why, objects.ErrAway) {
			t.Errorf("away since %s: %v", since, why)
		}
		m.SetAway(false)
		wg.Wait()
		if waited := time.Since(start) - minutes*time.Minute; waited > 15*time.Second {
			t.Errorf("back at work only after %s", waited)
		}
		if since, why := s.Away(); !since.IsZero() || why != nil {
			t.Errorf("away since %s: %v", since, why)
		}
		if away, back := strings.Count(log.String(), "is away"), strings.Count(log.String(), "is back"); away < minutes || away > 2*minutes || back != 1 {
			t.Errorf("told %d times that it is away, and %d times that it is back:\n%s", away, back, log.String())
		}
		if n := m.Count(objectstest.OpPut); n > 100*(minutes*60/5+10) {
			t.Errorf("%d tries", n)
		}
	})
}

// TestNotAgain has errors that do not pass be asked for once, and a wait end with its context.
func TestNotAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := objectstest.Forbidden
		m := objectstest.New(objectstest.Options{Hook: func(objectstest.Op, string) objectstest.Fault { return fault }})
		s := objects.Retry(m, zerolog.Nop())
		put := func(ctx context.Context) error { return s.Put(ctx, "a", objects.BytesBody(nil)) }
		if status, ok := errors.AsType[*mirror.StatusError](put(t.Context())); !ok || status.Code != 403 || m.Count(objectstest.OpPut) != 1 {
			t.Errorf("%v, after %d tries", status, m.Count(objectstest.OpPut))
		}
		for _, fault = range []objectstest.Fault{objectstest.Throttled, objectstest.Away, objectstest.Hung} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			start := time.Now()
			if err := put(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
				t.Errorf("%d: %v after %s", fault, err, time.Since(start))
			}
			cancel()
		}
	})
}

// sized is a store whose object has another length each time.
type sized struct {
	*objectstest.Memory
	n int
}

func (s *sized) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	s.n++
	if err := s.Put(ctx, name, objects.BytesBody(make([]byte, 100*s.n))); err != nil {
		return nil, 0, err
	}
	return s.Memory.Get(ctx, name, off, n)
}

// TestAnotherObject has a reader that goes on find another object.
func TestAnotherObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := objects.Retry(&sized{Memory: objectstest.New(objectstest.Options{Faults: objectstest.Faults{Cut: 1}})}, zerolog.Nop())
		if _, _, err := objectstest.Get(t.Context(), s, "a", 0, -1); err == nil || !strings.Contains(err.Error(), "it had 100 bytes, and has 200 now") {
			t.Error(err)
		}
	})
}

func TestProbeFinds(t *testing.T) {
	for want, o := range map[string]objectstest.Options{
		"If-None-Match": {NoCondition: true},
		"were told":     {Faults: objectstest.Faults{Blind: 0.02}, Seed: 1}, // not the first two
		"403":           {Hook: func(objectstest.Op, string) objectstest.Fault { return objectstest.Forbidden }},
	} {
		if err := objects.Probe(t.Context(), objectstest.New(o)); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, objects.ErrUnfit) != (want != "403") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// full is a store that takes nothing for now.
type full struct {
	objects.Store
	now atomic.Bool
}

func (f *full) Put(ctx context.Context, name string, body objects.Body) error {
	if f.now.Load() {
		return objects.ErrAway
	}
	return f.Store.Put(ctx, name, body)
}

// TestRetryFull: a store that takes nothing is away, though it can be read, until it takes something
// or nobody writes any more.
func TestRetryFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &full{Store: objectstest.New(objectstest.Options{})}
		store.now.Store(true)
		s := objects.Retry(store, zerolog.New(&log).Level(zerolog.InfoLevel))
		defer s.Close()
		list := func() {
			t.Helper()
			if err := s.List(t.Context(), "", "", func(objects.Info) bool { return true }); err != nil {
				t.Error(err)
			}
		}
		start := time.Now()
		put := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() { done <- s.Put(ctx, "a", objects.BytesBody(nil)) }()
			return done
		}
		done := put(t.Context())
		for range 60 {
			time.Sleep(time.Second)
			list()
		}
		if since, why := s.Away(); !since.Equal(start) || !errors.Is(why, objects.ErrAway) {
			t.Errorf("away since %v: %v", since, why)
		}
		if away, back := strings.Count(log.String(), "is away"), strings.Count(log.String(), "is back"); away != 2 || back != 0 {
			t.Errorf("told %d times that it is away, and %d times that it is back: %s", away, back, log.String())
		}
		store.now.Store(false)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if since, _ := s.Away(); !since.IsZero() || strings.Count(log.String(), "is back") != 1 {
			t.Errorf("away since %v: %s", since, log.String())
		}
		store.now.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := <-put(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		list()
		if since, why := s.Away(); !since.IsZero() || why != nil {
			t.Errorf("nobody writes, and it is away since %v: %v", since, why)
		}
	})
}

// waiting is a store whose calls hang until their context ends, which it says.
type waiting struct {
	objects.Store
	hangs bool
	tell  func(write bool, since time.Time, why error)
}

func (w *waiting) Waits(tell func(write bool, since time.Time, why error)) { w.tell = tell }

func (w *waiting) Put(ctx context.Context, name string, body objects.Body) error {
	if !w.hangs {
		return w.Store.Put(ctx, name, body)
	}
	start := time.Now()
	time.Sleep(5 * time.Second)
	w.tell(true, start, objects.ErrAway)
	<-ctx.Done()
	return fmt.Errorf("%w: %w", context.Cause(ctx), objects.ErrAway)
}

// TestRetrierWaits has a first try hang: since when the store is away is known before that ends, and
// that nobody knows it any more once it was given up.
func TestRetrierWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := &waiting{Store: objectstest.New(objectstest.Options{}), hangs: true}
		s := objects.Retry(w, zerolog.New(&log))
		start := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Put(ctx, "a", objects.BytesBody(nil)) }()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if since, why := s.Away(); !since.Equal(start) || !errors.Is(why, objects.ErrAway) || !strings.Contains(log.String(), "waiting for it") {
			t.Errorf("while it hangs: %v, %v, %s", since, why, &log)
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if since, why := s.Away(); !since.IsZero() || why != nil {
			t.Errorf("once it was given up: %v, %v", since, why)
		}
		w.hangs = false
		if err := s.Put(t.Context(), "a", objects.BytesBody(nil)); err != nil {
			t.Error(err)
		}
	})
}

package s3

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
)

// TestWalkFaults has pages fail at random, in ways that pass: each is told to who asks
// for it, or asked for again, and every key is listed once.
func TestWalkFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for what, keys := range shapes(3000, seed) {
		b := &bucket{keys: keys, perPage: 50}
		var n atomic.Uint64
		b.before = func(w http.ResponseWriter, r *http.Request) bool {
			rnd := rand.New(rand.NewPCG(seed, n.Add(1)))
			switch rnd.IntN(12) {
			case 0:
				refuse(w, 503, "SlowDown", "")
			case 1:
				refuse(w, 500, "InternalError", "")
			case 2:
				panic(http.ErrAbortHandler)
			case 3:
				w.Header().Set("Content-Length", "10000")
				w.Write([]byte(pageHead))
				panic(http.ErrAbortHandler)
			default:
				return false
			}
			return true
		}
		b.start(t)
		c := b.client(t, Options{Listers: 8})
		var names []string
		failures := 0
		for marker := ""; ; {
			p, err := c.List(t.Context(), marker)
			if err != nil {
				if failures++; !mirror.Temporary(err) || failures > 10_000 {
					t.Fatalf("%s: %v", what, err)
				}
				continue
			}
			names = append(names, namesOf(t, p)...)
			if marker = p.Next; marker == "" {
				break
			}
		}
		if !slices.Equal(names, keys) {
			t.Errorf("%s: %d names, want %d", what, len(names), len(keys))
		}
		if failures == 0 {
			t.Errorf("%s: nothing failed", what)
		}
	}
}

// TestErrorOfALaterRange has a server refuse all pages behind a key and say when to come
// back, which is never: what is before comes, nobody asks again, and who wants the page
// itself is told, each time that he asks. On a busy machine there may be no range behind it yet, so
// that this is done again.
func TestErrorOfALaterRange(t *testing.T) {
	for range 10 {
		if errorOfALaterRange(t) > 1 || t.Failed() {
			return
		}
	}
	t.Error("no range behind the key was asked for")
}

// errorOfALaterRange returns how many pages behind the key were asked for when the first was told.
func errorOfALaterRange(t *testing.T) int {
	t.Helper()
	keys := shapes(4000, 1)["folders"]
	broken := keys[2500]
	var asked recorder
	b := &bucket{keys: keys, perPage: 40, latency: time.Millisecond}
	b.before = func(w http.ResponseWriter, r *http.Request) bool {
		q := r.URL.Query()
		after := q.Get("start-after")
		if n, err := strconv.Atoi(strings.TrimPrefix(q.Get("continuation-token"), "to/k+n=")); err == nil {
			after = keys[n-1]
		}
		if after < broken {
			return false
		}
		asked.add(after)
		w.Header().Set("Retry-After", "3600")
		refuse(w, 500, "InternalError", "")
		return true
	}
	b.start(t)
	c := b.client(t, Options{Listers: 8})
	var names []string
	marker := ""
	told := func() *mirror.StatusError {
		for {
			p, err := c.List(t.Context(), marker)
			if err != nil {
				status, ok := errors.AsType[*mirror.StatusError](err)
				if !ok || status.Code != 500 || status.RetryAfter != time.Hour {
					t.Fatal(err)
				}
				return status
			}
			names, marker = append(names, namesOf(t, p)...), p.Next
		}
	}
	// quiet waits for what is under way for the ranges behind the page.
	quiet := func() {
		w := c.walks.current
		eventually.True(t, "all requests to end", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.mu.underWay == 0
		})
	}
	told()
	quiet()
	if n := len(names); n < 2500 || !slices.Equal(names, keys[:n]) {
		t.Fatalf("%d names before the error", n)
	}
	once := asked.all()
	if len(slices.Compact(slices.Sorted(slices.Values(once)))) != len(once) {
		t.Errorf("asked behind the key: %q", once)
	}
	n := len(names)
	told()
	quiet()
	// The range of the page itself may be split now, and its other part be asked for once too.
	all := asked.all()
	if again := len(all) - len(slices.Compact(slices.Sorted(slices.Values(all)))); len(names) != n || again != 1 {
		t.Errorf("%d names more; asked %d times again: %q and then %q", len(names)-n, again, once, all[len(once):])
	}
	return len(once)
}

// TestEmptyPageLeadsToItself has a server say that there is more where it says nothing:
// that is an error, and not for ever.
func TestEmptyPageLeadsToItself(t *testing.T) {
	b := &bucket{keys: keysOf(100), perPage: 10}
	b.before = func(w http.ResponseWriter, r *http.Request) bool {
		token := r.URL.Query().Get("continuation-token")
		if token != "to/k+n=30" && r.URL.Query().Get("start-after") == "" {
			return false
		}
		fmt.Fprintf(w, "%s<ContinuationToken>%s</ContinuationToken><IsTruncated>true</IsTruncated><NextContinuationToken>to/k+n=30</NextContinuationToken></ListBucketResult>", pageHead, token)
		return true
	}
	b.start(t)
	for _, listers := range []int{1, 4} {
		c := b.client(t, Options{Listers: listers})
		names, marker := 0, ""
		for {
			p, err := c.List(t.Context(), marker)
			if err != nil {
				if !errors.Is(err, mirror.ErrListing) || !strings.Contains(err.Error(), "leads to itself") || names < 30 {
					t.Errorf("%d listers: %d names, then %v", listers, names, err)
				}
				break
			}
			if names += len(namesOf(t, p)); p.Next == "" || names > 100 {
				t.Fatalf("%d listers: %d names", listers, names)
			}
			marker = p.Next
		}
	}
}

// TestTwoAskForOnePage has two ask for the same page at a time, which a walk has: both get
// that one, and not one the page behind it.
func TestTwoAskForOnePage(t *testing.T) {
	b := &bucket{keys: shapes(1000, 1)["days"], perPage: 50}
	held, come := make(chan struct{}), make(chan struct{}, 1)
	var hold atomic.Bool
	b.before = func(http.ResponseWriter, *http.Request) bool {
		if hold.Load() {
			select {
			case come <- struct{}{}:
			default:
			}
			<-held
		}
		return false
	}
	b.start(t)
	c := b.client(t, Options{Listers: 1 + 3})
	first, err := c.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	hold.Store(true)
	type answer struct {
		names []string
		err   error
	}
	answers := make(chan answer, 2)
	ask := func() {
		p, err := c.List(t.Context(), first.Next)
		a := answer{err: err}
		if err == nil {
			a.names = namesOf(t, p)
		}
		answers <- a
	}
	go ask()
	<-come // the walk has begun, and waits
	go ask()
	eventually.True(t, "both wait", func() bool { return strings.Count(stacks(), "(*walk).take(") >= 2 })
	hold.Store(false)
	close(held)
	for range 2 {
		if a := <-answers; a.err != nil || !slices.Equal(a.names, b.keys[50:100]) {
			t.Errorf("%d names, the first %q: %v", len(a.names), a.names[:min(1, len(a.names))], a.err)
		}
	}
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

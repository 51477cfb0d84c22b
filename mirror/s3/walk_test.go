package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
)

// shapes are keys of many kinds.
func shapes(n int, seed uint64) map[string][]string {
	rnd := rand.New(rand.NewPCG(seed, 0))
	all := map[string][]string{}
	add := func(what string, key func(i int) string) {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = key(i)
		}
		sort.Strings(keys)
		all[what] = slices.Compact(keys)
	}
	add("numbers", func(i int) string { return fmt.Sprintf("file-%09d", i) })
	add("numbers of any length", func(i int) string { return fmt.Sprint(i) })
	add("folders", func(i int) string { return fmt.Sprintf("dir-%06d/file-%04d.txt", i/1000, i%1000) })
	add("files numbered through folders", func(i int) string { return fmt.Sprintf("dir-%07d/file-%09d", i/100, i) })
	add("sums", func(i int) string {
		var b [16]byte
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		return hex.EncodeToString(b[:2]) + "/" + hex.EncodeToString(b[2:])
	})
	add("days", func(i int) string {
		at := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 37 * time.Minute)
		return at.Format("2006/01/02/150405") + fmt.Sprintf("-%08x.json.gz", rnd.Uint32())
	})
	add("one huge folder among small ones", func(i int) string {
		if i%10 == 0 {
			return fmt.Sprintf("%c/%d", 'a'+rune(rnd.IntN(26)), i)
		}
		return fmt.Sprintf("m/logs/%07d", i)
	})
	add("words", func(int) string {
		var b strings.Builder
		for range 2 + rnd.IntN(3) {
			for range 1 + rnd.IntN(8) {
				b.WriteByte("eeettaoinshrdluABC-_. "[rnd.IntN(22)])
			}
			b.WriteByte('/')
		}
		return b.String() + []string{"x", "ß€", "é"}[rnd.IntN(3)]
	})
	add("bytes", func(int) string {
		b := make([]byte, 1+rnd.IntN(12))
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		if b[len(b)-1] == '/' {
			b[len(b)-1] = 'x' // else it is a directory marker
		}
		return string(b)
	})
	return all
}

// TestWalk lists keys of many kinds, with few and many listers: each key comes once, in
// order, and not many more requests are made than there are pages.
func TestWalk(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for what, keys := range shapes(6000, seed) {
		for _, listers := range []int{1, 3, 16} {
			b := (&bucket{keys: keys, perPage: 40, latency: time.Duration(listers) * 200 * time.Microsecond}).start(t)
			names, _ := walkAll(t, b.client(t, Options{Listers: listers}), "")
			if !slices.Equal(names, keys) {
				t.Errorf("%s, %d listers: %d names, want %d", what, listers, len(names), len(keys))
			}
			pages, lists, most := int64(len(keys)+39)/40, b.lists.Load(), b.most.Load()
			t.Logf("%s, %d listers: %d requests for %d pages, %d at a time", what, listers, lists, pages, most)
			if most > int64(listers) || listers == 1 && lists != pages || lists > 3*pages/2+uselessMost+int64(listers) {
				t.Errorf("%s, %d listers: %d requests for %d pages, %d at a time", what, listers, lists, pages, most)
			}
			// Of bytes that no key had before nothing can be guessed.
			if listers > 1 && most < 2 && what != "bytes" {
				t.Errorf("%s, %d listers: one at a time", what, listers)
			}
		}
	}
}

// TestResume takes a listing up at each of its markers, with tokens and, where those are
// not taken any more, without.
func TestResume(t *testing.T) {
	for _, expired := range []bool{false, true} {
		keys := shapes(2000, 1)["folders"]
		b := &bucket{keys: keys, perPage: 50}
		from := ""
		b.before = func(w http.ResponseWriter, r *http.Request) bool {
			if token := r.URL.Query().Get("continuation-token"); expired && token != "" && token == from {
				refuse(w, 400, "InvalidArgument", "")
				return true
			}
			return false
		}
		b.start(t)
		before := 0
		for marker := ""; ; {
			p, err := b.client(t, Options{Listers: 4}).List(t.Context(), marker)
			if err != nil {
				t.Fatal(err)
			}
			before += len(namesOf(t, p))
			if marker = p.Next; marker == "" {
				break
			}
			at, err := parseMarker(marker)
			if err != nil {
				t.Fatal(err)
			}
			from = at.token
			names, _ := walkAll(t, b.client(t, Options{Listers: 4}), marker)
			if !slices.Equal(names, keys[before:]) {
				t.Fatalf("expired %v: %d names behind %q, want %d", expired, len(names), marker, len(keys)-before)
			}
			from = "" // the token is good for the walk of this test
		}
		if before != len(keys) {
			t.Errorf("%d names", before)
		}
	}
}

// TestNoOrder has servers that do not list in the order of their keys, or ignore
// StartAfter: all is listed all the same, one page after the other.
func TestNoOrder(t *testing.T) {
	keys := shapes(3000, 1)["numbers"]
	shuffled := slices.Clone(keys)
	rnd := rand.New(rand.NewPCG(2, 0))
	rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	reversed := slices.Clone(keys)
	slices.Reverse(reversed)
	for what, b := range map[string]*bucket{
		"shuffled": {keys: shuffled}, "reversed": {keys: reversed},
		"StartAfter is ignored": {keys: keys, after: func(string) string { return "" }},
	} {
		b.perPage, b.latency = 100, time.Millisecond
		b.start(t)
		c := b.client(t, Options{Listers: 8})
		names, _ := walkAll(t, c, "")
		slices.Sort(names)
		if !slices.Equal(names, keys) {
			t.Errorf("%s: %d names", what, len(names))
		}
		if lists := b.lists.Load(); lists > 60 {
			t.Errorf("%s: %d requests for 30 pages", what, lists)
		}
		before := b.lists.Load()
		if names, _ := walkAll(t, c, ""); len(names) != len(keys) || b.lists.Load()-before != 30 {
			t.Errorf("%s: %d names, with %d requests, the second time", what, len(names), b.lists.Load()-before)
		}
	}
}

// TestOrderIsLost has a server begin in order and go on without: that is an error, and no
// listing with names missing.
func TestOrderIsLost(t *testing.T) {
	keys := shapes(3000, 1)["numbers"]
	slices.Reverse(keys[1500:])
	b := (&bucket{keys: keys, perPage: 100}).start(t)
	c := b.client(t, Options{Listers: 8})
	for marker := ""; ; {
		p, err := c.List(t.Context(), marker)
		if err != nil {
			if !errors.Is(err, mirror.ErrListing) || !strings.Contains(err.Error(), "--listers 1") {
				t.Error(err)
			}
			break
		}
		if marker = p.Next; marker == "" {
			t.Fatal("it comes to an end")
		}
	}
	if names, _ := walkAll(t, b.client(t, Options{Listers: 1}), ""); len(names) != len(keys) {
		t.Errorf("%d names in one sequence", len(names))
	}
}

// TestWalkBounds has nobody take the pages: no more are asked for than there is room for.
func TestWalkBounds(t *testing.T) {
	b := (&bucket{keys: shapes(100_000, 1)["numbers"], perPage: 10}).start(t)
	c := b.client(t, Options{Listers: 8})
	p, err := c.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if p, err = c.List(t.Context(), p.Next); err != nil {
		t.Fatal(err)
	}
	w := c.walks.current
	eventually.True(t, "pages ahead", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.mu.held > 100_000
	})
	w.mu.Lock()
	w.mu.held += walkBudget
	w.mu.Unlock()
	// What is under way comes to its end, and nothing is asked for after it but the page
	// that would be handed out next.
	eventually.True(t, "only the first range is asked for", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !slices.ContainsFunc(w.mu.ranges[1:], func(r *keyRange) bool { return r.busy })
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.pickLocked(); r != nil && (r != w.mu.ranges[0] || len(r.pages) > 0) {
		t.Errorf("a range behind %q is asked for, which has %d pages", r.after, len(r.pages))
	}
	w.mu.held -= walkBudget
}

// TestProbesBesideAWalk asks for the first page now and then, as the engine does of an
// origin that may be ill: the walk goes on.
func TestProbesBesideAWalk(t *testing.T) {
	keys := shapes(3000, 1)["days"]
	b := (&bucket{keys: keys, perPage: 50}).start(t)
	c := b.client(t, Options{Listers: 4})
	var names []string
	for marker, n := "", 0; ; n++ {
		p, err := c.List(t.Context(), marker)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, namesOf(t, p)...)
		if marker = p.Next; marker == "" {
			break
		}
		if n%7 == 3 {
			if first, err := c.List(t.Context(), ""); err != nil || !slices.Equal(namesOf(t, first), keys[:50]) {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(names, keys) {
		t.Errorf("%d names", len(names))
	}
	if lists := b.lists.Load(); lists > 130 {
		t.Errorf("%d requests for 60 pages", lists)
	}
}

// TestCloseDuringAWalk closes the client while pages are under way, and one is waited for.
func TestCloseDuringAWalk(t *testing.T) {
	b := &bucket{keys: shapes(3000, 1)["days"], perPage: 50}
	held := make(chan struct{})
	var lists atomic.Int64
	b.before = func(http.ResponseWriter, *http.Request) bool {
		if lists.Add(1) > 5 {
			<-held
		}
		return false
	}
	b.start(t)
	defer close(held)
	c := b.client(t, Options{Listers: 4})
	done := make(chan error, 1)
	go func() {
		for marker := ""; ; {
			p, err := c.List(context.Background(), marker)
			if err != nil {
				done <- err
				return
			}
			marker = p.Next
		}
	}()
	eventually.True(t, "the server hangs", func() bool { return lists.Load() > 5 })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, mirror.ErrClosed) {
		t.Error(err)
	}
}

// BenchmarkListers walks a thousand pages, each 50 ms away.
func BenchmarkListers(b *testing.B) {
	for what, keys := range shapes(100_000, 1) {
		for _, listers := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(what, " ", "_"), listers), func(b *testing.B) {
				server := (&bucket{keys: keys, perPage: 500, latency: 50 * time.Millisecond}).start(b)
				for b.Loop() {
					walkAll(b, server.client(b, Options{Listers: listers}), "")
				}
				b.ReportMetric(float64(server.lists.Load())/float64(b.N), "requests")
			})
		}
	}
}

package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestListedTwiceInOneListing lists names twice and in no order, and commits the pages
// in another: none is written twice, without a look at the others.
func TestListedTwiceInOneListing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("d%d/f%d", i%3, i))
		if i%10 == 0 {
			all = append(all, all[len(all)-1])
		}
	}
	rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	var pages []*Page
	for part := range slices.Chunk(all, 300) {
		page, err := pl.Plan(names(part...))
		if err != nil {
			t.Fatal(err)
		}
		if rng.IntN(2) == 0 {
			if err := page.Load(); err != nil {
				t.Fatal(err)
			}
		}
		pages = append(pages, page)
		for len(pages) > rng.IntN(8) {
			i := rng.IntN(len(pages))
			put(t, pages[i])
			pages = slices.Delete(pages, i, i+1)
		}
	}
	for _, page := range pages {
		put(t, page)
	}
	if p := s.Progress(); p.Files != n || p.Fetched != n || p.Unchecked != 0 {
		t.Errorf("%+v", p)
	}
	if added := s.conflicts.mu.filter.added; added < n/20 || added > n/4 {
		t.Errorf("%d of %d names are looked up", added, n)
	}
	verify(t, s)
}

// TestListedNamesAreGivenUp has a listing in order, and one
// into a store that has names.
func TestListedNamesAreGivenUp(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i <= listedOrdered; i += MaxPage {
		if pl.listed.off {
			t.Fatalf("off after %d names", i)
		}
		var page []string
		for k := range MaxPage {
			page = append(page, fmt.Sprintf("%07d", i+k))
		}
		commit(t, planWith(t, pl, page...))
	}
	commit(t, planWith(t, pl, "b", "a"))
	if p := s.Progress(); !pl.listed.off || pl.listed.filter.layers != nil || p.Unchecked != 2 {
		t.Errorf("a listing in order: %+v", p)
	}
	if pl, err = s.NewPlanner(); err != nil || !pl.listed.off {
		t.Errorf("a store with names: %v", err)
	}
}

func planWith(t *testing.T, pl *Planner, ss ...string) *Page {
	t.Helper()
	page, err := pl.Plan(names(ss...))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestSortedTogether has names in no order be sorted together: a directory's make one
// run in each page, and a refresh finds them in their first order without a look-up.
func TestSortedTogether(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	const n, dirs, page = 8 * SortMost, 200, 1000
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("d%03d/f%d", i%dirs, i))
	}
	rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	for window := range slices.Chunk(names(all...), SortMost) {
		pl.Sort(window)
		for part := range slices.Chunk(window, page) {
			p, err := pl.Plan(part)
			if err != nil {
				t.Fatal(err)
			}
			put(t, p)
		}
	}
	complete(t, s)
	if p := s.Progress(); p.Files != n || p.Unchecked != 0 {
		t.Errorf("%+v", p)
	}
	if pl.listed.suspects > n/10000 {
		t.Errorf("%d of %d new names are taken for others", pl.listed.suspects, n)
	}
	if r := verify(t, s); r.Runs > 8*(dirs+SortMost/page+1)+dirs {
		t.Errorf("%d runs", r.Runs)
	}
	r, err := s.Refresh(t.Context(), RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for part := range slices.Chunk(names(all...), 990) {
		rest, err := r.Match(part)
		if err != nil {
			t.Fatal(err)
		}
		left += len(rest)
	}
	if left > n/100 {
		t.Errorf("%d of %d names are not found", left, n)
	}
}

package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// endAfter is a context that ends when it was looked at n times.
type endAfter struct {
	context.Context
	n int
}

func (c *endAfter) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// twiceListed has n names in a directory of which every second was listed twice, and
// the first of them failed when it came first.
func twiceListed(t *testing.T, o Options, n int) *Store {
	t.Helper()
	s := open(t, o)
	list := func(all []string, fail bool) {
		pl, err := s.NewPlanner()
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(all)
		for part := range slices.Chunk(all, MaxPage) {
			page, err := pl.Plan(names(part...))
			if err != nil {
				t.Fatal(err)
			}
			if fail && page.Name(0) == "d/000000" {
				page.Fail(0, MayPass, errors.New("status 500"))
			}
			put(t, page)
		}
		listed(t, s, s.Progress().Next)
	}
	var all, again []string
	for i := range n {
		all = append(all, fmt.Sprintf("d/%06d", i))
		if i%2 == 0 {
			again = append(again, all[i])
		}
	}
	list(all, true)
	list(again, false)
	return s
}

func complete(t *testing.T, s *Store) {
	t.Helper()
	next := s.Progress().Next
	if err := s.Advance(Mark{Listing: true, ListingComplete: true, Listed: next, Settled: next}); err != nil {
		t.Fatal(err)
	}
}

// TestTally has names that were listed twice lose their first numbers, and the counts
// come right, also when it is cut off on the way and the store opened again.
func TestTally(t *testing.T) {
	const n = 3 * tallyNames
	some := 0
	for cut := range 20 {
		o := Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()}
		s := twiceListed(t, o, n)
		before := s.Progress()
		if before.Files <= n || before.Unchecked == 0 || before.Failed != 1 {
			t.Fatalf("nothing was listed twice: %+v", before)
		}
		if err := s.Tally(t.Context()); err != nil || s.Progress() != before {
			t.Fatalf("of a listing that goes on: %+v, %v", s.Progress(), err)
		}
		complete(t, s)
		was := s.Progress()
		err := s.Tally(&endAfter{t.Context(), cut})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if p := s.Progress(); err != nil && (p.Unchecked == 0 || p.Complete()) {
			t.Errorf("cut off: %+v", p)
		}
		done := err == nil
		partly := err != nil && s.Progress().Files < was.Files
		if partly {
			some++
		}
		if partly || done || cut == 0 {
			verify(t, s)
			s = reopen(t, s)
			if err := s.Tally(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p := s.Progress(); p.Files != n || p.Fetched != n || p.Failed != 0 || p.Unchecked != 0 || !p.Complete() {
				t.Errorf("cut off after %d looks: %+v", cut, p)
			}
			verify(t, s)
			d, err := find(s, "d")
			if err != nil {
				t.Fatal(err)
			}
			got := list(t, s, d.Inode)
			slices.Sort(got)
			if len(got) != n || len(slices.Compact(got)) != n {
				t.Errorf("%d names, not %d", len(got), n)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if done {
			if some == 0 {
				t.Error("it was never cut off between two commits")
			}
			return
		}
	}
	t.Error("it never came to an end")
}

// TestTallyOfDamage has an entry that no run names: nothing is settled.
func TestTallyOfDamage(t *testing.T) {
	s := unsortedStore(t)
	put(t, plan(t, s, "c", "b2"))
	if s.Progress().Unchecked == 0 {
		t.Fatal("all names are checked")
	}
	e := Entry{Inode: 12345, State: Pending, Size: -1}
	if err := s.db.Set(appendEntryKey(nil, RootInode, "stray"), appendEntryHead(nil, &e), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	complete(t, s)
	before := s.Progress()
	if err := s.Tally(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v", err)
	}
	if p := s.Progress(); p != before {
		t.Errorf("%+v, and before %+v", p, before)
	}
}

// TestEarlierNumberIsTakenBack has a file keep the number by which it was seen until the
// listing is complete, beside the one that it has then.
func TestEarlierNumberIsTakenBack(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	put(t, plan(t, s, "b", "a"))
	before, err := find(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	listed(t, s, s.Progress().Next)
	put(t, plan(t, s, "c", "a"))
	after, err := find(s, "a")
	if err != nil || after.Inode == before.Inode {
		t.Fatalf("it is not listed a second time: %+v, %v", after, err)
	}
	if e, err := s.Get(before.Inode); err != nil || !e.Here() {
		t.Errorf("the number from before: %+v, %v", e, err)
	}
	complete(t, s)
	if err := s.Tally(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s)
	if e, err := s.Get(before.Inode); !errors.Is(err, ErrNotFound) {
		t.Errorf("the number from before: %+v, %v", e, err)
	}
	if e, err := s.Get(after.Inode); err != nil || content(t, s, "a") != string(body("a")) || !e.Here() {
		t.Errorf("the number that it has: %+v, %v", e, err)
	}
	if got := list(t, s, RootInode); !slices.Equal(got, []string{"b", "a", "c"}) {
		t.Errorf("root lists %q", got)
	}
}

// TestRefreshTalliesFirst has a refresh of a store whose tally was cut off.
func TestRefreshTalliesFirst(t *testing.T) {
	s := twiceListed(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()}, 100)
	complete(t, s)
	if _, err := s.Refresh(t.Context(), RefreshOptions{}); err != nil {
		t.Fatal(err)
	}
	if p := s.Progress(); p.Unchecked != 0 || p.Files != 100 {
		t.Errorf("%+v", p)
	}
}

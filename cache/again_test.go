package cache

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestHoleSurvivesAStaleRun has a reader put a run into the cache that it read
// before a hole was punched.
func TestHoleSurvivesAStaleRun(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		commit(t, plan(t, s, "a", "b", "c"))
		page, _, err := s.Pending(0, s.Progress().Next, 1000)
		if err != nil {
			t.Fatal(err)
		}
		stale, err := s.runOf(FirstInode)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 2 {
			if err := page.Gone(k); err != nil {
				t.Fatal(err)
			}
			if err := page.Commit(); err != nil {
				t.Fatal(err)
			}
			s.runs.put(stale.first, stale)
		}
		if err := page.Close(); err != nil {
			t.Fatal(err)
		}
		if got := list(t, s, RootInode); !slices.Equal(got, []string{"c"}) {
			t.Errorf("root lists %q", got)
		}
		verify(t, s)
	})
}

// TestListedAgainInOneSession lists names out of order a second time, as a run
// does after one that stopped before its checkpoint moved.
func TestListedAgainInOneSession(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		for range 2 {
			put(t, plan(t, s, "c", "a", "b"))
		}
		if p := s.Progress(); p.Files != 3 || p.Fetched != 3 || p.Unchecked != 0 {
			t.Errorf("progress %+v", p)
		}
		verify(t, s)
	})
}

// TestStoppedTwice has a listing in no order stop with pages committed beyond the
// checkpoint, and stop again before it has come to them: they are found all the same.
func TestStoppedTwice(t *testing.T) {
	for what, again := range map[string]func(*testing.T, *Store) *Store{
		"same session": func(_ *testing.T, s *Store) *Store { return s },
		"opened again": reopen,
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
			pages := [][]string{{"d", "a"}, {"c", "e"}, {"k", "b"}, {"x", "f", "w"}}
			put(t, plan(t, s, pages[0]...))
			listed(t, s, s.Progress().Next)
			pl, err := s.NewPlanner()
			if err != nil {
				t.Fatal(err)
			}
			planWith(t, pl, pages[1]...) // which is not committed, so the checkpoint stays
			put(t, planWith(t, pl, pages[2]...))
			put(t, planWith(t, pl, pages[3]...))
			before, progress := map[string]Inode{}, s.Progress()
			for _, name := range slices.Concat(pages[2], pages[3]) {
				e, err := find(s, name)
				if err != nil {
					t.Fatal(err)
				}
				before[name] = e.Inode
			}
			for _, page := range pages[1:] {
				s = again(t, s)
				p := plan(t, s, page...)
				put(t, p)
				if err := s.Advance(Mark{Listing: true, Marker: page[0], Listed: p.End(), Settled: p.End()}); err != nil {
					t.Fatal(err)
				}
			}
			for name, ino := range before {
				if e, err := find(s, name); err != nil || e.Inode != ino {
					t.Errorf("%q was inode %d, and is %+v, %v", name, ino, e, err)
				}
			}
			if p := s.Progress(); p.Files != 9 || p.Fetched != 9 || p.Unchecked != progress.Unchecked || p.Listed != p.Next {
				t.Errorf("%+v, and before %+v", p, progress)
			}
			verify(t, s)
		})
	}
}

// TestAskedForWhenListed has a reader ask for a file that is listed: that says
// nothing about names to come, so a shuffled listing goes on unchecked.
func TestAskedForWhenListed(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
	commit(t, plan(t, s, "c", "a", "b"))
	page, err := s.Ask(RootInode, "a")
	if err != nil || !page.Listed() {
		t.Fatal(err)
	}
	put(t, page)
	if p := s.Progress(); p.Asked != 0 || p.Files != 3 || p.Fetched != 1 {
		t.Errorf("progress %+v", p)
	}
	verify(t, s)
}

// TestTwiceListedFileThatFailedFirst has a listing out of order name a file
// twice: the first time it failed, or was not fetched, the second time it came.
func TestTwiceListedFileThatFailedFirst(t *testing.T) {
	for _, failed := range []bool{false, true} {
		t.Run(fmt.Sprint(failed), func(t *testing.T) {
			s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
			pl, err := s.NewPlanner()
			if err != nil {
				t.Fatal(err)
			}
			first, err := pl.Plan(names("z", "a"))
			if err != nil {
				t.Fatal(err)
			}
			if failed {
				first.Fail(1, MayPass, errors.New("status 500"))
			}
			if err := first.Put(0, body("a"), 0, nil); err != nil {
				t.Fatal(err)
			}
			commit(t, first)
			listed(t, s, first.End())
			if pl, err = s.NewPlanner(); err != nil { // which does not know what was listed
				t.Fatal(err)
			}
			second, err := pl.Plan(names("z", "b"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, second)
			verify(t, s)
			if err := s.Advance(Mark{Listing: true, ListingComplete: true, Listed: second.End(), Settled: second.End()}); err != nil {
				t.Fatal(err)
			}
			if failed {
				if p := s.Progress(); p.Complete() {
					t.Errorf("complete with a failed file: %+v", p)
				}
				again, _, err := s.Failed(0, 1000)
				if err != nil {
					t.Fatal(err)
				}
				if err := again.Load(); err != nil {
					t.Fatal(err)
				}
				commit(t, again)
			}
			if err := s.Tally(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p := s.Progress(); !p.Complete() || p.Failed != 0 || p.Files != 3 {
				t.Errorf("progress %+v", p)
			}
			verify(t, s)
		})
	}
}

// TestListedSizeIsKept has a file fail, be asked for, and be listed again without a size.
func TestListedSizeIsKept(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	fail := func(page *Page, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := page.Load(); err != nil {
			t.Fatal(err)
		}
		page.Fail(0, MayPass, errors.New("status 500"))
		commit(t, page)
		if e, err := find(s, "a"); err != nil || e.Size != 42 || e.State != Pending {
			t.Errorf("%+v, %v", e, err)
		}
	}
	list := func(size int64) (*Page, error) {
		pl, err := s.NewPlanner()
		if err != nil {
			return nil, err
		}
		return pl.Plan([]Name{{Origin: "a", Size: size}})
	}
	fail(list(42))
	for range 2 {
		page, _, err := s.Failed(0, 1000)
		fail(page, err)
		page, _, err = s.Pending(0, s.Progress().Next, 1000)
		fail(page, err)
		fail(s.Ask(RootInode, "a"))
		if err := s.Rewind(); err != nil {
			t.Fatal(err)
		}
		fail(list(-1))
		s = reopen(t, s)
	}
	verify(t, s)
}

// TestLeaveBelow lists names again that are pending, while their page from Pending
// is at work: they are its own, those that came since are not.
func TestLeaveBelow(t *testing.T) {
	for what, list := range map[string][]string{"sorted": {"a", "b", "c", "d", "e"}, "unsorted": {"e", "c", "a", "d", "b"}} {
		t.Run(what, func(t *testing.T) {
			s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
			commit(t, plan(t, s, "a", "b", "c"))
			limit := s.Progress().Next
			pending, _, err := s.Pending(0, limit, 1000)
			if err != nil {
				t.Fatal(err)
			}
			commit(t, plan(t, s, "d"))
			pl, err := s.NewPlanner()
			if err != nil {
				t.Fatal(err)
			}
			pl.LeaveBelow = limit
			page, err := pl.Plan(names(list...))
			if err != nil {
				t.Fatal(err)
			}
			if err := page.Load(); err != nil {
				t.Fatal(err)
			}
			for k := range page.Len() {
				if open := page.Name(k) > "c"; page.Open(k) != open {
					t.Errorf("%s is open: %v", page.Name(k), page.Open(k))
				}
			}
			put(t, page)
			if p := s.Progress(); p.Files != 5 || p.Fetched != 2 {
				t.Errorf("progress %+v", p)
			}
			put(t, pending)
			verify(t, s)
			if p := s.Progress(); p.Files != 5 || p.Fetched != 5 {
				t.Errorf("progress %+v", p)
			}
		})
	}
}

// TestPendingStopsBetween has so many files that are here that a search for
// those that are not must give its caller a chance to be cancelled.
func TestPendingStopsBetween(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	for p := range pendingScan/MaxPage + 1 {
		var page []string
		for k := range MaxPage {
			page = append(page, fmt.Sprintf("%03d-%04d", p, k))
		}
		put(t, plan(t, s, page...))
	}
	commit(t, plan(t, s, "last"))
	limit := s.Progress().Next
	page, next, err := s.Pending(0, limit, 1000)
	if err != nil || page != nil || next != FirstInode+pendingScan {
		t.Fatalf("%v, %d, %v", page, next, err)
	}
	page, next, err = s.Pending(next, limit, 1000)
	if err != nil || page == nil || page.Name(0) != "last" || next != limit {
		t.Fatalf("%v, %d, %v", page, next, err)
	}
}

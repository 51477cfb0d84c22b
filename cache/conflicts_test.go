package cache

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// unsortedStore has directories, files, and a file that a reader asked for.
func unsortedStore(t *testing.T) *Store {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	page := plan(t, s, "z/1", "b/1", "z/2", "a")
	put(t, page)
	ask, err := s.Ask(RootInode, "asked")
	if err != nil {
		t.Fatal(err)
	}
	put(t, ask)
	listed(t, s, page.End())
	return s
}

// listed moves the checkpoint behind all that was listed.
func listed(t *testing.T, s *Store, end Inode) {
	t.Helper()
	if err := s.Advance(Mark{Listing: true, Marker: "m", Listed: max(end, s.Progress().Next), Settled: end}); err != nil {
		t.Fatal(err)
	}
}

// waitForConflicts has the filter loaded, and returns what it knows.
func waitForConflicts(t *testing.T, s *Store) conflictState {
	t.Helper()
	if err := s.loadConflicts(); err != nil {
		t.Fatal(err)
	}
	if s.conflicts.loaded != nil {
		<-s.conflicts.loaded
	}
	s.conflicts.mu.RLock()
	defer s.conflicts.mu.RUnlock()
	return s.conflicts.mu.state
}

// TestUnsortedNamesThatAreTaken lists in no order names of directories, one that a
// reader asked for, and others: in one session, and in a store that was opened again
// with and without marks in its index.
func TestUnsortedNamesThatAreTaken(t *testing.T) {
	for what, again := range map[string]func(*testing.T, *Store) *Store{
		"same session": func(_ *testing.T, s *Store) *Store { return s },
		"opened again": reopen,
		"without marks": func(t *testing.T, s *Store) *Store {
			dropMarks(t, s)
			return reopen(t, s)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := again(t, unsortedStore(t))
			want := conflictsKnown
			if what == "without marks" {
				want = conflictsLost
			}
			if state := waitForConflicts(t, s); state != want {
				t.Fatalf("the filter's state is %d, not %d", state, want)
			}
			asked, err := find(s, "asked")
			if err != nil {
				t.Fatal(err)
			}
			before := s.Progress()
			put(t, plan(t, s, "z", "asked", "new", "b", "other"))
			verify(t, s)
			p := s.Progress()
			if p.Files != before.Files+4 || p.Fetched != p.Files {
				t.Errorf("%+v, and before %+v", p, before)
			}
			if checked := p.Unchecked == before.Unchecked; checked != (want == conflictsLost) {
				t.Errorf("%d names are unchecked, and %d were", p.Unchecked, before.Unchecked)
			}
			if e, err := find(s, "asked"); err != nil || e.Inode != asked.Inode {
				t.Errorf("asked: %+v, %v; it was %d", e, err, asked.Inode)
			}
			for _, name := range []string{"%%z", "%%b", "new", "other", "asked", "z/1", "z/2", "b/1", "a"} {
				if e, err := find(s, name); err != nil || !e.Here() {
					t.Errorf("%s: %+v, %v", name, e, err)
				}
			}
		})
	}
}

// TestLoadEndsBetweenLoadAndCommit has a page of no order find a name of an earlier page
// while every name is looked up, and be committed once only conflicts are: what has become
// of that name in between counts all the same.
func TestLoadEndsBetweenLoadAndCommit(t *testing.T) {
	for what, between := range map[string]func(*Page) error{
		"it failed": func(p *Page) error { p.Fail(0, MayPass, errors.New("status 500")); return nil },
		"it came":   func(p *Page) error { return p.Put(0, body("x"), 0, nil) },
	} {
		t.Run(what, func(t *testing.T) {
			s := reopen(t, unsortedStore(t))
			if state := waitForConflicts(t, s); state != conflictsKnown {
				t.Fatalf("the filter's state is %d", state)
			}
			know := func(state conflictState) {
				s.conflicts.mu.Lock()
				defer s.conflicts.mu.Unlock()
				s.conflicts.mu.state = state
			}
			know(conflictsLoading)
			pl, err := s.NewPlanner()
			if err != nil {
				t.Fatal(err)
			}
			first := planWith(t, pl, "y", "x") // the store's order is another
			if err := first.Commit(); err != nil {
				t.Fatal(err)
			}
			second := planWith(t, pl, "z9", "x")
			if err := second.Load(); err != nil {
				t.Fatal(err)
			}
			if err := between(first); err != nil {
				t.Fatal(err)
			}
			commit(t, first)
			know(conflictsKnown)
			put(t, second)
			if e, err := find(s, "x"); err != nil || !e.Here() || e.Inode != first.Inode(0) {
				t.Errorf("x, which was inode %d: %+v, %v", first.Inode(0), e, err)
			}
			if p := s.Progress(); p.Failed != 0 || p.Fetched != p.Files-1 { // y is pending
				t.Errorf("progress %+v", p)
			}
			verify(t, s)
		})
	}
}

// dropMarks makes the index of runs what a program of before wrote.
func dropMarks(t *testing.T, s *Store) {
	t.Helper()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyRunIndex}, UpperBound: []byte{keyRunIndex + 1}})
	if err != nil {
		t.Fatal(err)
	}
	batch := s.db.NewBatch()
	for valid := it.First(); valid; valid = it.Next() {
		index, err := decodeRunIndex(it.Value())
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Set(it.Key(), appendRunIndex(nil, runIndex{parent: index.parent}), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	s.commit.Lock()
	defer s.commit.Unlock()
	if err := s.applyLocked(batch, s.commit.progress); err != nil {
		t.Fatal(err)
	}
}

// TestAskedFileThatIsGone has a file that was asked for be gone, so that no run has it:
// once the store is opened again, its name is found all the same.
func TestAskedFileThatIsGone(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	ask, err := s.Ask(RootInode, "asked")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, ask)
	page, _, err := s.Pending(0, s.Progress().Next, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Gone(0); err != nil {
		t.Fatal(err)
	}
	commit(t, page)
	listed(t, s, s.Progress().Next)
	s = reopen(t, s)
	waitForConflicts(t, s)
	put(t, plan(t, s, "b", "asked"))
	if p := s.Progress(); p.Files != 2 || p.Gone != 1 || p.Fetched != 1 {
		t.Errorf("%+v", p)
	}
	verify(t, s)
}

// TestNamesAmongOthers lists pages in order whose place is not empty: a directory, a
// file that was asked for and some that were listed stand between their names.
func TestNamesAmongOthers(t *testing.T) {
	s := unsortedStore(t)
	before := s.Progress()
	put(t, plan(t, s, "a0", "asked", "b", "c", "z"))
	if p := s.Progress(); p.Files != before.Files+4 || p.Unchecked != before.Unchecked {
		t.Errorf("%+v, and before %+v", p, before)
	}
	listed(t, s, s.Progress().Next)
	// Pages that are sorted and come in no order: what is between the names of the
	// second is not gone through.
	var odd, even []string
	for i := range 100 {
		odd, even = append(odd, fmt.Sprintf("n%03d", 2*i+1)), append(even, fmt.Sprintf("n%03d", 2*i))
	}
	put(t, plan(t, s, odd...))
	listed(t, s, s.Progress().Next)
	if p := s.Progress(); p.Unchecked != before.Unchecked {
		t.Errorf("%d names are unchecked, not %d", p.Unchecked, before.Unchecked)
	}
	put(t, plan(t, s, even[:rowSlack]...))
	listed(t, s, s.Progress().Next)
	if p := s.Progress(); p.Unchecked != before.Unchecked {
		t.Errorf("%d names are unchecked, not %d", p.Unchecked, before.Unchecked)
	}
	put(t, plan(t, s, append([]string{"n"}, even[rowSlack:]...)...))
	if p := s.Progress(); p.Unchecked == before.Unchecked {
		t.Error("no name is unchecked")
	}
	verify(t, s)
	got := list(t, s, RootInode)
	slices.Sort(got)
	for _, name := range slices.Concat(odd, even) {
		if _, ok := slices.BinarySearch(got, name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestSortSlots leaves pages as they are that have an order, and sorts others.
func TestSortSlots(t *testing.T) {
	at := func(parent Inode, origin string) slot { return slot{parent: parent, origin: origin, name: origin} }
	long := func(parents ...Inode) (slots []slot) {
		for _, parent := range parents {
			for k := range stretchLeast {
				slots = append(slots, at(parent, fmt.Sprintf("%d/%02d", parent, k)))
			}
		}
		return slots
	}
	for what, c := range map[string]struct {
		slots []slot
		sorts bool
	}{
		"nothing":              {nil, false},
		"one":                  {long(1)[:1], false},
		"in order":             {[]slot{at(1, "a"), at(2, "b/x"), at(1, "c")}, false},
		"twice":                {[]slot{at(1, "a"), at(1, "a")}, false},
		"rows in another":      {long(3, 2), false},
		"short rows":           {append(long(3, 2), at(1, "x"), at(2, "b"), at(1, "y")), true},
		"one row out of order": {[]slot{at(1, "b"), at(1, "a")}, true},
		"twice, out of order":  {[]slot{at(1, "b"), at(1, "a"), at(1, "b")}, true},
	} {
		want := slices.Clone(c.slots)
		if c.sorts {
			slices.SortStableFunc(want, func(a, b slot) int { return a.compare(&b) })
		}
		if sorted := sortSlots(c.slots); sorted != c.sorts {
			t.Errorf("%s: sorted is %v", what, sorted)
		}
		if !slices.EqualFunc(want, c.slots, func(a, b slot) bool { return a.parent == b.parent && a.origin == b.origin }) {
			t.Errorf("%s: %v", what, c.slots)
		}
	}
}

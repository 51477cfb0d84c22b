package cache

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// halfMirrored has the files "a" and "d/y" here, and "d/x" listed and pending.
func halfMirrored(t *testing.T, opts Options) (*Store, *fakeOrigin) {
	t.Helper()
	o := newFakeOrigin("a", "d/x", "d/y")
	opts.Dir, opts.Origin = t.TempDir(), testOrigin
	s := open(t, opts)
	p := plan(t, s, o.names...)
	for _, k := range []int{0, 2} {
		if err := p.Put(k, []byte(o.contents[p.Name(k)]), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, p)
	if err := s.Advance(Mark{Listing: true, ListingComplete: true, Listed: p.End()}); err != nil {
		t.Fatal(err)
	}
	return s, o
}

// TestReaderRacesARemoval has a reader's fetch of a pending file end, with its content or
// without, after a refresh has removed the file and its directory.
func TestReaderRacesARemoval(t *testing.T) {
	for _, gone := range []bool{false, true} {
		for _, empties := range []bool{false, true} {
			t.Run(fmt.Sprint(gone, empties), func(t *testing.T) {
				s, o := halfMirrored(t, Options{})
				dir, err := find(s, "d")
				if err != nil {
					t.Fatal(err)
				}
				page, err := s.Ask(dir.Inode, "x")
				if err != nil {
					t.Fatal(err)
				}
				delete(o.contents, "d/x")
				o.names = []string{"a", "d/y"}
				if empties {
					delete(o.contents, "d/y")
					o.names = []string{"a"}
				}
				o.refresh(t, s, RefreshOptions{})
				if gone {
					err = page.Gone(0)
				} else {
					err = page.Put(0, []byte("late"), 0, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				commit(t, page)
				o.check(t, s)
			})
		}
	}
}

// TestGoneUnderARemoval has a reader find a file gone while a refresh asks whether it is to be
// removed.
func TestGoneUnderARemoval(t *testing.T) {
	s, o := halfMirrored(t, Options{})
	r, err := s.Refresh(t.Context(), RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	delete(o.contents, "d/x")
	o.names = []string{"a", "d/y"}
	o.walk(t, r, 3)
	unseen, _, err := r.Unseen(0, 1000)
	if err != nil || unseen.Len() != 1 {
		t.Fatal(unseen, err)
	}
	dir, err := find(s, "d")
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Ask(dir.Inode, "x")
	if err == nil {
		err = page.Gone(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	commit(t, page)
	if err := unseen.Gone(0); err != nil {
		t.Fatal(err)
	}
	commit(t, unseen)
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	o.check(t, s)
}

// TestOldNumberThroughAStaleRun reads a replaced number while a reader has put the run of
// before into the cache again: never the new content.
func TestOldNumberThroughAStaleRun(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := newFakeOrigin("a", "b")
		s := o.mirrored(t, Options{KeepOld: keep})
		old, err := find(s, "a")
		if err != nil {
			t.Fatal(err)
		}
		stale, err := s.runOf(old.Inode)
		if err != nil {
			t.Fatal(err)
		}
		o.contents["a"] = "other"
		o.refresh(t, s, RefreshOptions{Contents: true})
		s.entries = newEntryCache(entryCacheSize)
		s.runs.put(stale.first, stale)
		b := make([]byte, 10)
		n, err := s.ReadAt(old.Inode, b, 0)
		if got := string(b[:n]); keep && (got != "a" || err != nil) || !keep && !errors.Is(err, ErrNotFound) {
			t.Errorf("kept %v: inode %d reads %q, %v", keep, old.Inode, got, err)
		}
	}
}

// TestDirectoryOfGoneFilesGoes has a directory in which only a file is left that was gone.
func TestDirectoryOfGoneFilesGoes(t *testing.T) {
	o := newFakeOrigin("a", "d/x", "d/y")
	delete(o.contents, "d/x")
	s := o.mirrored(t, Options{})
	delete(o.contents, "d/y")
	o.names = []string{"a"}
	before, _ := s.Changes()
	o.refresh(t, s, RefreshOptions{})
	if got := list(t, s, RootInode); !slices.Equal(got, []string{"a"}) {
		t.Errorf("root lists %q", got)
	}
	if after, _ := s.Changes(); after <= before {
		t.Errorf("changes were %d and are %d", before, after)
	}
	o.check(t, s)
}

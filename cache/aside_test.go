package cache

import (
	"errors"
	"testing"
)

// TestOldNumberFromAnOldSnapshot has a directory be read while two refreshes pass, so that the
// reader is told a number that was replaced, and what that had is dropped: to read it is no
// damage.
func TestOldNumberFromAnOldSnapshot(t *testing.T) {
	for _, goes := range []bool{false, true} {
		o := newFakeOrigin("a", "long")
		o.contents["long"] = string(long)
		s := o.mirrored(t, Options{KeepOld: true})
		var was Entry
		if err := s.ReadDirPlus(RootInode, 0, func(d DirEntry, e Entry, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Name) == "long" {
				was = e
				return true
			}
			if o.contents["long"] = string(long[1:]); goes {
				delete(o.contents, "long")
				o.names = []string{"a"}
			}
			for range 2 {
				o.refresh(t, s, RefreshOptions{Contents: true})
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if was.State != Blob || was.Size != int64(len(long)) {
			t.Fatalf("the snapshot has %+v", was)
		}
		if n, err := s.ReadAt(was.Inode, make([]byte, 10), 0); !errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) {
			t.Errorf("a number that was dropped reads as %d, %v", n, err)
		}
		if _, err := s.Get(was.Inode); !errors.Is(err, ErrNotFound) {
			t.Errorf("a number that was dropped is %v", err)
		}
		o.check(t, s)
	}
}

package fs

import (
	"testing"

	"github.com/motefs/motefs/cache"
)

// An origin's file is served, whatever go-fuse would have its name for.
func TestNameOfGoFuse(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	dir := s.dir(cache.RootInode, "dir")
	s.file(dir, pollHackName, "in a directory\n")
	r := newRig(t, s, nil)
	r.fails("No such file or directory", "stat", r.path(pollHackName))
	r.close()
	s.file(cache.RootInode, pollHackName, "in the root\n")
	r = newRig(t, s, nil)
	for range 2 {
		if got := r.ok("cat", r.path(pollHackName), r.path("dir", pollHackName)); got != "in the root\nin a directory\n" {
			t.Errorf("%q", got)
		}
	}
	if got := r.ok("stat", "-c", "%s %a", r.path(pollHackName)); got != "12 444\n" {
		t.Errorf("stat says %q", got)
	}
}

package fs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
)

// The times that SEMANTICS.md tells of.
func TestDocumentedTimes(t *testing.T) {
	var o Options
	o.EnsureDefaults()
	if o.DemandTimeout != 60*time.Second || o.Lease != 10*time.Second || entryTimeout != 24*time.Hour || listedTimeout != 10*time.Minute {
		t.Errorf("%v, %v, %v, %v", o.DemandTimeout, o.Lease, entryTimeout, listedTimeout)
	}
}

// A size, and whatever else only the file itself can tell, is fetched, once.
func TestSizesAreFetched(t *testing.T) {
	for what, args := range map[string][]string{
		"ls -l": {"ls", "-l"}, "ls -i": {"ls", "-i"}, "find -size": {"find", "-size", "+0"}, "du": {"du", "-a"},
	} {
		const files = 20
		s := newFakeStore()
		s.complete.Store(true)
		for i := range files {
			s.pending(1, fmt.Sprintf("f%02d", i))
		}
		g := newGate()
		r := newRig(t, s, g.fetch)
		close(g.release) // every file is empty, and here at once
		if args[0] == "find" {
			args = []string{"find", r.dir, "-size", "+0"}
		} else {
			args = append(args, r.dir)
		}
		for range 2 {
			r.ok(args[0], args[1:]...)
		}
		if n := r.contents.fetches(""); n != files {
			t.Errorf("%s: %d fetches of %d files", what, n, files)
		}
		r.close()
	}
}

// A file that is open stays readable as long as the store has it; after that it
// is stale, and not missing or empty.
func TestStale(t *testing.T) {
	s := newFakeStore()
	s.complete.Store(true)
	ino := s.file(cache.RootInode, "big", strings.Repeat("x", 4<<20))
	r := newRig(t, s, nil)
	r.log.expect("inode no longer served")
	c := startChild(t, "hold", r.path("big"))
	c.Line()
	s.set(ino, func(e *cache.Entry) { e.State = cache.Gone })
	c.Stdin.Write([]byte("x"))
	if got := c.Line(); got != "ESTALE" {
		t.Errorf("an open file that went reads %s", got)
	}
	c.Kill()
}

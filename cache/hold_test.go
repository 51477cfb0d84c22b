package cache

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCheckpointWaitsForReaders has a reader ask for a file that is not listed
// between two pages of the listing: what is settled does not move over its number
// until it is decided.
func TestCheckpointWaitsForReaders(t *testing.T) {
	for what, c := range map[string]struct {
		decide func(p *Page) error // and then it is closed
		waits  bool                // after that too
	}{
		"not there": {func(*Page) error { return nil }, false},
		"stored":    {func(p *Page) error { return errors.Join(p.Put(0, []byte("x"), 0, nil), p.Commit()) }, false},
		"failed":    {func(p *Page) error { p.Fail(0, MayPass, errors.New("cut")); return p.Commit() }, false},
		"shown, then stored": {func(p *Page) error {
			return errors.Join(p.Commit(), p.Put(0, []byte("x"), 0, nil), p.Commit())
		}, false},
		"shown and left": {func(p *Page) error { return p.Commit() }, true},
	} {
		t.Run(what, func(t *testing.T) {
			o := Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1}
			s := open(t, o)
			put(t, plan(t, s, "a", "b"))
			ask, err := s.Ask(RootInode, "m")
			if err != nil {
				t.Fatal(err)
			}
			held := ask.Inode(0)
			page := plan(t, s, "y", "z")
			end := page.End()
			put(t, page)
			settled := func(m Mark, want Inode) {
				t.Helper()
				if err := s.Advance(m); err != nil {
					t.Fatal(err)
				}
				if got := s.Progress().Settled; got != want {
					t.Errorf("settled up to %d, not %d", got, want)
				}
			}
			settled(Mark{Listing: true, ListingComplete: true, Listed: end, Settled: end}, held)
			if err := errors.Join(c.decide(ask), ask.Close()); err != nil {
				t.Fatal(err)
			}
			want := end
			if c.waits {
				want = held
			}
			settled(Mark{}, want)
			verify(t, s)
			s = reopen(t, s)
			settled(Mark{}, want)
		})
	}
}

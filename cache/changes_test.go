package cache

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestChanges goes through what changes names once the listing is complete: each is
// counted, and names are final only once there is nothing left that could.
func TestChanges(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1})
	check := func(what string, n uint64, final bool) {
		t.Helper()
		if got, gotFinal := s.Changes(); got != n || gotFinal != final {
			t.Errorf("%s: %d changes, final %v; want %d, %v", what, got, gotFinal, n, final)
		}
	}
	ask := func(name string) *Page {
		t.Helper()
		p, err := s.Ask(RootInode, name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	page := plan(t, s, "a", "b")
	commit(t, page)
	check("listed", 0, false)
	early, none := ask("early"), ask("none")
	must(s.Advance(Mark{Listing: true, ListingComplete: true, Listed: page.End()}))
	if _, err := s.Ask(RootInode, "late"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unlisted file is asked for after the listing: %v", err)
	}
	check("listing complete", 0, false)
	a := ask("a")
	must(errors.Join(a.Put(0, []byte("x"), 0, nil), a.Commit(), a.Close()))
	check("fetched", 0, false)
	b := ask("b")
	must(errors.Join(b.Gone(0), b.Commit(), b.Close()))
	check("gone, two readers wait", 1, false)
	must(errors.Join(early.Put(0, []byte("x"), 0, nil), early.Commit()))
	check("an unlisted file came", 2, false)
	must(errors.Join(early.Close(), none.Close()))
	check("nobody waits", 2, true)
}

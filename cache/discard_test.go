package cache

import (
	"errors"
	"testing"
)

// TestDiscard takes back one decision of each kind, on a page whose names are
// new and on one that is pending; then other things are decided.
func TestDiscard(t *testing.T) {
	for _, pending := range []bool{false, true} {
		backends(t, func(t *testing.T, o Options) {
			s := open(t, o)
			page := plan(t, s, "blob", "fail", "gone", "put", "untouched")
			if pending {
				commit(t, page)
				var err error
				if page, _, err = s.Pending(0, s.Progress().Next); err != nil {
					t.Fatal(err)
				}
			}
			w, err := s.NewBlob()
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write([]byte("wrong"))
			page.Fail(1, 1, errors.New("wrong"))
			if err := errors.Join(err, page.PutBlob(0, w, 0, nil), page.Gone(2), page.Put(3, []byte("wrong"), 0, nil), page.Discard()); err != nil {
				t.Fatal(err)
			}
			for k := range page.Len() {
				if !page.Open(k) {
					t.Errorf("%s is not open", page.Name(k))
				}
			}
			for k := range 4 {
				if err := page.Put(k, body(page.Name(k)), 0, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(page.Commit(), page.Close()); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, s)
			for _, name := range []string{"blob", "fail", "gone", "put"} {
				if got := content(t, s, name); got != string(body(name)) {
					t.Errorf("%s holds %q", name, got)
				}
			}
			if e, err := find(s, "untouched"); err != nil || e.State != Pending {
				t.Errorf("untouched is %+v, %v", e, err)
			}
			if p := s.Progress(); p.Files != 5 || p.Fetched != 4 || p.Failed != 0 || p.Gone != 0 {
				t.Errorf("progress %+v", p)
			}
			if r := verify(t, s); r.Blobs != 0 {
				t.Errorf("%d blob files are left", r.Blobs)
			}
		})
	}
}

// TestDiscardKeepsWhatIsCommitted discards after a Commit.
func TestDiscardKeepsWhatIsCommitted(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
	page := plan(t, s, "a", "b")
	if err := errors.Join(page.Put(0, body("a"), 0, nil), page.Commit(), page.Put(1, []byte("wrong"), 0, nil), page.Discard()); err != nil {
		t.Fatal(err)
	}
	if page.Open(0) || !page.Open(1) {
		t.Error("a is open, or b is not")
	}
	if err := errors.Join(page.Commit(), page.Close()); err != nil {
		t.Fatal(err)
	}
	if e, err := find(s, "b"); err != nil || e.State != Pending || content(t, s, "a") != string(body("a")) {
		t.Errorf("b is %+v, %v", e, err)
	}
	verify(t, s)
}

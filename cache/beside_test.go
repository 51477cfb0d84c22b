package cache

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestBeside: a store is read beside who holds it, which changes nothing, and HolderOf
// leaves the lock alone.
func TestBeside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := Open(Options{Dir: dir, Origin: "http://o.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names := func() int {
		n := 0
		if err := filepath.WalkDir(dir, func(string, os.DirEntry, error) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	s, err = Open(Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	before := names()
	for range 3 {
		b, err := Open(Options{Dir: dir, Beside: true})
		if err != nil {
			t.Fatal(err)
		}
		if b.Origin() != "http://o.test" || !errors.Is(b.ReadOnly(), ErrReadOnly) {
			t.Errorf("it is of %s: %v", b.Origin(), b.ReadOnly())
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := names(); after != before {
		t.Errorf("%d names, then %d", before, after)
	}
	if origin, err := OriginOf(dir); err != nil || origin != "http://o.test" {
		t.Errorf("%q, %v", origin, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if who, held, err := HolderOf(dir); held || err != nil {
		t.Errorf("held by %q: %v", who, err)
	}
	for _, none := range []string{t.TempDir(), filepath.Join(dir, "nothing")} {
		if origin, err := OriginOf(none); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %q, %v", none, origin, err)
		}
	}
}

// TestRemove: a store goes with all that is its own, and with nothing else; one that is held
// stays, and so does what is no store.
func TestRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := Open(Options{Dir: dir, Origin: "http://o.test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Remove(dir); err == nil {
		t.Error("a store that is held was removed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	left, err := Remove(dir)
	if err != nil || len(left) != 1 || left[0] != "mine" {
		t.Errorf("%q, %v", left, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := Remove(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("what is no store any more: %v", err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if s, err = Open(Options{Dir: other, Origin: "http://o.test"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := Remove(other); err != nil || left != nil {
		t.Errorf("%q, %v", left, err)
	}
	if _, err := os.Stat(other); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

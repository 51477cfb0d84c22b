package cache

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// browse collects names, with what stands for their state, as long as there are fewer
// than most.
func browse(t *testing.T, most int, read func(func([]byte, Entry, error) bool) error) []string {
	t.Helper()
	var got []string
	if err := read(func(name []byte, e Entry, err error) bool {
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if e.Content != nil {
			t.Errorf("%q comes with its content, which is not its own", name)
		}
		text := string(name)
		if e.Kind == Dir {
			text += "/"
		}
		if e.State == Gone {
			text += " gone"
		}
		got = append(got, text)
		return len(got) < most
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReadNames(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		page := plan(t, s, "m", "z", "b", "dir/x", "dir/y", "a", "\xff")
		for k := range page.Len() {
			if page.Name(k) == "m" {
				if err := page.Gone(k); err != nil {
					t.Fatal(err)
				}
			}
		}
		put(t, page)
		all := []string{"a", "b", "dir/", "m gone", "z", "\xff"}
		for from := range len(all) + 1 {
			at := "\xff\xff"
			if from < len(all) {
				at = []string{"", "b", "c", "m", "n", "z\x00"}[from]
			}
			for most := 1; most <= len(all)+1; most++ {
				got := browse(t, most, func(fn func([]byte, Entry, error) bool) error { return s.ReadNames(RootInode, at, fn) })
				if want := all[from:min(from+most, len(all))]; !slices.Equal(got, want) {
					t.Errorf("from %q at most %d: %q, want %q", at, most, got, want)
				}
				if at == "" {
					continue
				}
				got = browse(t, most, func(fn func([]byte, Entry, error) bool) error { return s.ReadNamesBack(RootInode, at, fn) })
				slices.Reverse(got)
				if want := all[max(0, from-most):from]; !slices.Equal(got, want) {
					t.Errorf("before %q at most %d: %q, want %q", at, most, got, want)
				}
			}
		}
		got := browse(t, 2, func(fn func([]byte, Entry, error) bool) error { return s.ReadNamesBack(RootInode, "", fn) })
		if want := []string{"\xff", "z"}; !slices.Equal(got, want) {
			t.Errorf("from the end: %q, want %q", got, want)
		}
		dir, err := s.Lookup(RootInode, "dir")
		if err != nil {
			t.Fatal(err)
		}
		got = browse(t, 9, func(fn func([]byte, Entry, error) bool) error { return s.ReadNames(dir.Inode, "", fn) })
		if want := []string{"x", "y"}; !slices.Equal(got, want) {
			t.Errorf("in dir: %q, want %q", got, want)
		}
	})
}

// TestReadNamesStops: what is read of a long directory does not depend on its length.
func TestReadNamesStops(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	for k := range 20 {
		var all []string
		for i := range 500 {
			all = append(all, fmt.Sprintf("f%02d-%03d", k, i))
		}
		put(t, plan(t, s, all...))
	}
	calls := 0
	if err := s.ReadNames(RootInode, "f10", func([]byte, Entry, error) bool { calls++; return calls < 7 }); err != nil || calls != 7 {
		t.Errorf("%d calls, want 7: %v", calls, err)
	}
}

func TestFailureOf(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	page := plan(t, s, "a", "b")
	page.Fail(0, Final, errors.New("no good"))
	failed, other := page.Inode(0), page.Inode(1)
	put(t, page)
	if f, err := s.FailureOf(failed); err != nil || f.Name != "a" || f.Reason != "no good" || f.Verdict != Final {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := s.FailureOf(other); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a file that is here: %+v, %v", f, err)
	}
}

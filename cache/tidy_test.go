package cache

import (
	"fmt"
	"testing"
)

// TestEmptyDirectoriesGo has a refresh be cut off after it has made directories and before it has
// put anything into them, and the origin have nothing there when it goes on.
func TestEmptyDirectoriesGo(t *testing.T) {
	o := newFakeOrigin("a", "b/c")
	s := o.mirrored(t, Options{})
	r, err := s.Refresh(t.Context(), RefreshOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pl, err := r.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	var more []string
	for i := range MaxPage - 1 { // more directories than are removed at once
		more = append(more, fmt.Sprintf("b/n%d/x/y", i))
	}
	p, err := pl.Plan(names(append(more, "new/x")...))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	if p := s.Progress(); p.Dirs != 1+2*(MaxPage-1)+1 {
		t.Fatalf("this tests nothing: %d directories", p.Dirs)
	}
	s = reopen(t, s)
	o.refresh(t, s, RefreshOptions{})
	o.check(t, s)
}

// TestGoneFileGivesItsNameBack has files be gone that are listed, directories of their names
// come, and the files not be listed any more.
func TestGoneFileGivesItsNameBack(t *testing.T) {
	o := newFakeOrigin("%%", "a/b", "c", "d")
	delete(o.contents, "c")
	delete(o.contents, "a/b")
	s := o.mirrored(t, Options{})
	for range 2 {
		o.names = append(o.names, "c/d", "a/b/c", "%%/x")
		for _, name := range o.names[4:] {
			o.contents[name] = name
		}
		for range 3 { // c is listed, and gone under its other form
			o.refresh(t, s, RefreshOptions{})
			o.check(t, s)
		}
		o.names = []string{"%%", "d", "c/d", "a/b/c", "%%/x"}
		o.refresh(t, s, RefreshOptions{})
		o.check(t, s)
		if e, err := s.Lookup(RootInode, "c"); err != nil || e.Kind != Dir {
			t.Errorf("c is %+v, %v", e, err)
		}
		if e, err := find(s, "a/b/c"); err != nil || e.Kind != File {
			t.Errorf("a/b/c is %+v, %v", e, err)
		}
		s = reopen(t, s)
	}
}

// TestRunsGoWhileTheyAreWalked removes files while a walk over the runs is at those before.
func TestRunsGoWhileTheyAreWalked(t *testing.T) {
	o := newFakeOrigin("a/x", "b/x", "c/x", "d/x")
	s := o.mirrored(t, Options{})
	for r, err := range s.eachRun(0, 1<<40) {
		if err != nil {
			t.Fatal(err)
		}
		if r.kind == File && len(o.names) > 1 {
			for _, name := range o.names[1:] {
				delete(o.contents, name)
			}
			o.names = o.names[:1]
			o.refresh(t, s, RefreshOptions{})
		}
	}
	o.check(t, s)
}

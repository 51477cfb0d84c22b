package cache

import (
	"context"
	"errors"
	"testing"
)

// TestHostileRepetition has a segment come whose tables are what its head says, and which has names
// that another one has, as files or as directories: it is refused, and what is here stays. So it is
// for two that come together.
func TestHostileRepetition(t *testing.T) {
	ctx := context.Background()
	segment := func(state []byte, names ...string) (*NameTables, []byte) {
		n, err := NewNumbering(state, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if _, err := n.Add([]Name{{Origin: name, Size: -1}}); err != nil {
				t.Fatal(err)
			}
		}
		made, err := n.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return made, n.State()
	}
	first, _ := segment(nil, "a", "b/c", "b/d")
	// Numbers that follow, and no name of before.
	hostile := func(names ...string) *NameTables {
		s, err := decodeNumberingState(mustNumbering(t, nil).State())
		if err != nil {
			t.Fatal(err)
		}
		s.next = first.Counts.End
		made, _ := segment(s.encode(), names...)
		return made
	}
	for what, second := range map[string]*NameTables{
		"a file again":                 hostile("a", "x"),
		"a directory again":            hostile("b/x"),
		"a file that is a directory":   hostile("b"),
		"a directory that was a file":  hostile("a/x"),
		"a directory among new ones":   hostile("0/x", "b/y", "z/z"),
		"a file between two new names": hostile("0", "a", "aa"),
	} {
		s := openSegments(t)
		ingestNames(t, s, first)
		err := s.IngestDirs(ctx, SegmentDirs{TableOf(second.Dirs), second.Counts})
		if err == nil {
			err = s.IngestFiles(ctx, TableOf(second.Files), second.Counts)
		}
		if !errors.Is(err, ErrTable) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
		for name, kind := range map[string]Kind{"a": File, "b": Dir} {
			if e, err := s.Lookup(RootInode, name); err != nil || e.Kind != kind || e.Inode >= first.Counts.End {
				t.Errorf("%s: %q is %+v, %v", what, name, e, err)
			}
		}
		verifyClean(t, s)
	}
	s := openSegments(t)
	second := hostile("b/x", "e/f")
	before := s.Progress()
	if err := s.IngestDirs(ctx, SegmentDirs{TableOf(second.Dirs), second.Counts}, SegmentDirs{TableOf(first.Dirs), first.Counts}); !errors.Is(err, ErrTable) || s.Progress() != before {
		t.Errorf("two at once that have the same directory: %v", err)
	}
	ingestNames(t, s, first)
	verifyClean(t, s)
}

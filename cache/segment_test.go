package cache

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestBounds has whatever a segment has lie within its bounds, and most of the rest not.
func TestBounds(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	component := func() string {
		if random.IntN(20) == 0 {
			return strings.Repeat("long", 100) + string(rune('a'+random.IntN(26)))
		}
		return string(rune('a'+random.IntN(5))) + []string{"", "!", "0", "/", ".txt"}[random.IntN(5)]
	}
	var names []string
	for range 2000 {
		name := component()
		for range random.IntN(4) {
			name += "/" + component()
		}
		names = append(names, name)
	}
	slices.Sort(names)
	var away, asked int
	for from := 0; from < len(names); from += 100 {
		all := KeyRange{appendEntryKey(nil, 1, ""), appendEntryKey(nil, 1<<40, "")}
		c := NameCounts{DirKeys: all, FileKeys: all}
		for k, name := range names[from : from+100] {
			c.Bound(name, k == 0)
		}
		for _, name := range names {
			has := slices.Contains(names[from:from+100], name)
			may := c.MayHave(File, 7, "x", name, true)
			if has && !may {
				t.Fatalf("%q is in the segment, and its bounds say that it is not", name)
			}
			asked++
			if !may {
				away++
			}
			dir, _, ok := cutLast(name)
			if has && ok && (!c.MayHaveIn(File, 7, dir+"/", true) || !c.MayHaveIn(Dir, 7, dir+"/", true) || !c.MayHave(Dir, 7, "x", dir, true)) {
				t.Fatalf("%q is in the segment, and its bounds say that %q is not", name, dir)
			}
		}
	}
	if away < asked/2 {
		t.Errorf("the bounds spare %d of %d questions", away, asked)
	}
	for _, kind := range []Kind{File, Dir} {
		testKeys(t, kind)
	}
}

// testKeys has entries of one kind, and none of the other.
func testKeys(t *testing.T, kind Kind) {
	t.Helper()
	var c NameCounts
	*c.keys(kind) = KeyRange{appendEntryKey(nil, 20, "b"), appendEntryKey(nil, 30, "c")}
	other := File + Dir - kind
	for _, tc := range []struct {
		dir  Inode
		name string
		may  bool
	}{{20, "a", false}, {20, "b", true}, {25, "a", true}, {30, "c", true}, {30, "d", false}, {31, "a", false}} {
		if may := c.MayHave(kind, tc.dir, tc.name, "", false); may != tc.may {
			t.Errorf("%q of %d: may be there: %v", tc.name, tc.dir, may)
		}
		if c.MayHave(other, tc.dir, tc.name, "", false) || c.MayHaveIn(other, tc.dir, "", false) {
			t.Errorf("%q of %d: there is none of the other kind", tc.name, tc.dir)
		}
	}
	if c.MayHaveIn(kind, 19, "", true) || !c.MayHaveIn(kind, 20, "", true) || !c.MayHaveIn(kind, 30, "x/", true) || c.MayHaveIn(kind, 31, "", false) {
		t.Error("the bounds of directories are not those that were given")
	}
}

func cutLast(name string) (dir, base string, ok bool) {
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return "", name, false
	}
	return name[:at], name[at+1:], true
}

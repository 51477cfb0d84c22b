package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fault damages one file of a store, and says how.
func (v *victim) fault(t *testing.T, fs vfs.FS, rng *rand.Rand) string {
	t.Helper()
	all := v.files(t, fs)
	kinds := slices.Sorted(maps.Keys(all))
	pick := func() string {
		kind := kinds[rng.IntN(len(kinds))]
		if rng.IntN(3) == 0 {
			kind = "table" // most of what matters
		}
		return all[kind][rng.IntN(len(all[kind]))]
	}
	path := pick()
	text := slurp(t, fs, path)
	switch rng.IntN(8) {
	case 0:
		if err := fs.Remove(path); err != nil {
			t.Fatal(err)
		}
		return "remove " + path
	case 1:
		spill(t, fs, path, nil)
		return "empty " + path
	case 2:
		n := rng.IntN(len(text) + 1)
		spill(t, fs, path, text[:n])
		return fmt.Sprintf("cut %s to %d of %d", path, n, len(text))
	case 3:
		other := pick()
		if rng.IntN(2) == 0 { // of the same kind
			for _, same := range all {
				if slices.Contains(same, path) {
					other = same[rng.IntN(len(same))]
				}
			}
		}
		spill(t, fs, path, slurp(t, fs, other))
		spill(t, fs, other, text)
		return fmt.Sprintf("swap %s with %s", path, other)
	}
	what := "flip in " + path
	for range 1 + rng.IntN(4) {
		if len(text) > 0 {
			at := rng.IntN(len(text))
			text[at] ^= byte(1 + rng.IntN(255))
			what += fmt.Sprint(" ", at)
		}
	}
	spill(t, fs, path, text)
	return what
}

func slurp(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil && len(text) > 0 {
		t.Fatal(err)
	}
	return text
}

func spill(t *testing.T, fs vfs.FS, path string, text []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Clone(text))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// serve reads every file of the origin as a reader does, and returns what is right and
// what is in error. No byte may be wrong.
func (v *victim) serve(t *testing.T, s *Store) (right map[string]bool) {
	t.Helper()
	right = map[string]bool{}
	for name := range v.numbers {
		if name == "" {
			continue
		}
		path, err := SplitName(nil, name)
		if err != nil {
			t.Fatal(err)
		}
		e := Entry{Inode: RootInode, Kind: Dir}
		for _, c := range path {
			if e, err = s.Lookup(e.Inode, c); err != nil {
				break
			}
		}
		if err != nil || !e.Here() {
			continue
		}
		want, _, _ := contentOf(name)
		got := make([]byte, len(want)+100)
		n, err := s.ReadAt(e.Inode, got, 0)
		switch {
		case err != nil:
		case !bytes.Equal(got[:n], want):
			t.Errorf("%q is wrong: %d bytes of %d", name, n, len(want))
		default:
			right[name] = true
		}
	}
	return right
}

// TestDamage damages stores at random, a file or a few of each: no byte is ever wrong,
// verify finds what is damaged, repair mends it, and a mirror then fetches what was lost
// and nothing else.
func TestDamage(t *testing.T) {
	first := *damageSeed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	t.Logf("again with: go test ./cache -run TestDamage -damage %d -damage.seed %d", *damageSeeds, first)
	total := map[string]int{}
	var v *victim
	for i := range uint64(max(1, *damageSeeds/min(share, 2))) {
		if made := (first + i) / 10; v == nil || i == 0 || (first+i)%10 == 0 {
			v = newVictim(t, rand.New(rand.NewPCG(made, 3)))
		}
		t.Run(fmt.Sprint(first+i), func(t *testing.T) {
			total[v.damaged(t, rand.New(rand.NewPCG(first+i, 4)))]++
		})
	}
	t.Logf("%v", total)
}

func (v *victim) damaged(t *testing.T, rng *rand.Rand) (outcome string) {
	disk := vfs.NewMem()
	if ok, err := vfs.Clone(v.o.FS, disk, "/store", "/store"); err != nil || !ok {
		t.Fatal(err)
	}
	o := v.o
	o.FS = disk
	what := v.fault(t, disk, rng)
	for rng.IntN(3) == 0 {
		what += "; " + v.fault(t, disk, rng)
	}
	var mended []string
	defer func() {
		if t.Failed() {
			t.Logf("%s; repair says:\n%s", what, strings.Join(mended, "\n"))
		}
	}()
	o.ReadOnly = true
	var right map[string]bool
	found := []string{}
	s, err := Open(o)
	if err == nil {
		right = v.serve(t, s)
		_, err = s.Verify(t.Context(), func(p string) { found = append(found, p) })
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrOrigin) {
			t.Errorf("an error that is neither damage nor format: %v", err)
		}
		found = append(found, err.Error())
	}
	o.ReadOnly = false
	v.fetched = map[string]int{}
	done, err := Repair(context.Background(), o, func(p string) { mended = append(mended, p) })
	if errors.Is(err, ErrFormat) || errors.Is(err, ErrOrigin) {
		return "FORMAT lost"
	}
	if err != nil {
		t.Errorf("repair: %v", err)
		return
	}
	if done.Problems > 0 && len(found) == 0 {
		t.Errorf("verify has not found it")
	}
	v.mended(t, o, done, right)
	switch {
	case done.Problems == 0:
		return "nothing that matters"
	case done.Relist:
		return "mended, listed again"
	}
	return "mended"
}

// mended checks a store after its repair, of which right could be read before.
func (v *victim) mended(t *testing.T, o Options, done Repaired, right map[string]bool) {
	t.Helper()
	s := open(t, o)
	verify(t, s)
	here := v.serve(t, s)
	for name := range right {
		if !here[name] && done.Dropped == 0 {
			t.Errorf("%q was here before the repair", name)
		}
	}
	v.mirror(t, s, len(v.pages), func() {})
	verify(t, s)
	if p := s.Progress(); !p.ListingComplete || p.Fetched+p.Gone+p.Failed != p.Files && p.Unchecked == 0 {
		t.Errorf("the mirror is not complete: %+v", p)
	}
	for name, n := range v.fetched {
		if _, _, fails := contentOf(name); here[name] || n > 1 && !fails {
			t.Errorf("%q was fetched %d times, here before: %v", name, n, here[name])
		}
	}
	again := v.serve(t, s)
	for name := range v.numbers {
		if _, gone, fails := contentOf(name); name != "" && !gone && !fails && !again[name] {
			t.Errorf("%q is not here in the end", name)
		}
	}
	v.walk(t, s, RootInode, func(name string, e Entry) {
		if was, ok := v.numbers[name]; ok && name != "" && was != e.Inode && v.given[e.Inode] {
			t.Errorf("%q has number %d, which was another's; it had %d", name, e.Inode, was)
		}
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

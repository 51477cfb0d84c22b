package cache

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// repairCrashes is how many moments of each repair are tried.
const repairCrashes = 12 / share

// TestRepairIsCutOff cuts the power at moments of a repair: the store then is as it was, says that it
// is to be repaired, or is sound, and a second repair brings it to its end.
func TestRepairIsCutOff(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 5))
	v := newVictim(t, rng)
	all := v.files(t, v.o.FS)
	harms := map[string]func(fs vfs.FS){
		"a table is lost": func(fs vfs.FS) { spill(t, fs, all["table"][len(all["table"])/2], nil) },
		"all tables are damaged": func(fs vfs.FS) {
			for _, path := range all["table"] {
				text := slurp(t, fs, path)
				text[len(text)/3] ^= 1
				spill(t, fs, path, text)
			}
		},
		"the MANIFEST is lost": func(fs vfs.FS) { spill(t, fs, all["MANIFEST"][0], nil) },
		"blobs are lost": func(fs vfs.FS) {
			for _, path := range all["blob"] {
				spill(t, fs, path, []byte("x"))
			}
		},
	}
	for _, what := range slices.Sorted(maps.Keys(harms)) { // in order, as a seed is to replay
		harm := harms[what]
		t.Run(what, func(t *testing.T) {
			begin := func() *vfs.MemFS {
				harmed, disk := vfs.NewMem(), vfs.NewCrashableMem()
				if ok, err := vfs.Clone(v.o.FS, harmed, "/store", "/store"); err != nil || !ok {
					t.Fatal(err)
				}
				harm(harmed)
				// A power cut does not undo the harm.
				if ok, err := vfs.Clone(harmed, disk, "/store", "/store", vfs.CloneSync); err != nil || !ok {
					t.Fatal(err)
				}
				return disk
			}
			all, _ := v.cutOff(t, begin(), -1, rng)
			for range repairCrashes {
				at := rng.Int64N(all)
				_, disk := v.cutOff(t, begin(), at, rng)
				if disk == nil {
					continue
				}
				o := v.o
				o.FS = disk
				begun := !v.untouched(t, begin(), disk)
				s, opened := Open(o)
				if opened == nil {
					if begun { // else it has its damage, which may not keep it from being opened
						verify(t, s)
					}
					opened = s.Close()
				}
				if opened != nil && !errors.Is(opened, ErrCorrupt) {
					t.Fatalf("cut off at %d: it opens with %v", at, opened)
				}
				v.fetched = map[string]int{}
				done, err := Repair(context.Background(), o, func(string) {})
				if err != nil {
					t.Fatalf("cut off at %d: then %v", at, err)
				}
				v.mended(t, o, done, nil)
				if names, err := o.FS.List("/store"); err != nil || strings.Contains(strings.Join(names, " "), asideDir) {
					t.Errorf("left behind: %v, %v", names, err)
				}
				if t.Failed() {
					t.Fatalf("cut off at %d", at)
				}
			}
		})
	}
}

// untouched reports whether the files of a store that are harmed here are what they were.
func (v *victim) untouched(t *testing.T, before, after vfs.FS) bool {
	t.Helper()
	files := v.files(t, before)
	for _, kind := range []string{"table", "MANIFEST", "blob"} {
		for _, path := range files[kind] {
			if _, err := after.Stat(path); err != nil || !bytes.Equal(slurp(t, before, path), slurp(t, after, path)) {
				return false
			}
		}
	}
	return true
}

// cutOff repairs, and returns how many operations on the disk that takes, and what a
// power cut before the at-th of them leaves.
func (v *victim) cutOff(t *testing.T, disk *vfs.MemFS, at int64, rng *rand.Rand) (n int64, left vfs.FS) {
	t.Helper()
	var ops atomic.Int64
	var clone atomic.Pointer[vfs.MemFS]
	percent, dice := rng.IntN(101), rand.New(rand.NewPCG(rng.Uint64(), 6))
	o := v.o
	o.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if ops.Add(1)-1 == at {
			clone.Store(disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: dice}))
		}
		return nil
	}))
	if _, err := Repair(context.Background(), o, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if c := clone.Load(); c != nil {
		left = c
	}
	return ops.Load(), left
}

package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestManifestNamesNoTable cuts the MANIFEST of a store off behind its first record, and within the second: then
// it names no table, and is that of an empty database. An Open refuses it and leaves all tables where they are, and
// a repair takes over what is in them.
func TestManifestNamesNoTable(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	v := newVictim(t, rand.New(rand.NewPCG(seed, 3)))
	path := v.files(t, v.o.FS)["MANIFEST"][0]
	text := slurp(t, v.o.FS, path)
	first := firstRecord(t, text)
	o := v.o
	o.ReadOnly = true // else Pebble makes another MANIFEST
	s := open(t, o)
	right := v.serve(t, s)
	if err := s.Close(); err != nil || len(right) == 0 {
		t.Fatalf("%d files, %v", len(right), err)
	}
	for _, more := range []int{0, 1, 6, 7, 8} {
		disk := vfs.NewMem()
		if ok, err := vfs.Clone(v.o.FS, disk, "/store", "/store"); err != nil || !ok {
			t.Fatal(err)
		}
		spill(t, disk, path, text[:first+more])
		o := v.o
		o.FS = disk
		tables := v.files(t, disk)["table"]
		if s, err := Open(o); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut %d bytes behind its first record: opened %v, %v", more, s != nil, err)
		}
		if left := v.files(t, disk)["table"]; !slices.Equal(left, tables) {
			t.Errorf("an Open leaves %d of %d tables", len(left), len(tables))
		}
		var told []string
		v.fetched = map[string]int{}
		done, err := Repair(context.Background(), o, func(p string) { told = append(told, p) })
		if err != nil || done.Problems == 0 || !done.Relist || !strings.Contains(strings.Join(told, "\n"), "names no table") {
			t.Fatalf("repair: %+v, %v: %q", done, err, told)
		}
		v.mended(t, o, done, right)
	}
}

// firstRecord is where the first record of a MANIFEST ends.
func firstRecord(t *testing.T, text []byte) int {
	t.Helper()
	records := record.NewReader(bytes.NewReader(text), 0)
	for range 2 {
		at := records.Offset()
		rec, err := records.Next()
		if err != nil {
			t.Fatal(err)
		}
		if at > 0 {
			return int(at)
		}
		if _, err := io.Copy(io.Discard, rec); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("it has no second record")
	return 0
}

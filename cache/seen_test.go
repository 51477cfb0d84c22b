package cache

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// TestSeenBeyondItsMemory has more chunks of seen numbers than are in memory, saves some of
// them, and reads all after a crash's reopening and before.
func TestSeenBeyondItsMemory(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	const chunks = seenCache/(seenChunk/8) + 500
	limit := Inode(chunks * seenChunk)
	for _, memory := range []bool{true, false} {
		m, err := newSeenMap(s, limit, memory)
		if err != nil {
			t.Fatal(err)
		}
		at := func(chunk int) Inode { return Inode(chunk*seenChunk + chunk%seenChunk) }
		for chunk := range chunks {
			if err := m.set(at(chunk)); err != nil {
				t.Fatal(err)
			}
		}
		check := func(m *seenMap, s *Store) {
			t.Helper()
			for chunk := range chunks {
				for _, ino := range []Inode{at(chunk), at(chunk) ^ 1} {
					if seen, err := m.has(ino); err != nil || seen != (ino == at(chunk)) {
						t.Fatalf("inode %d: %v, %v", ino, seen, err)
					}
				}
			}
			if seen, err := m.has(limit); err != nil || !seen {
				t.Errorf("what is beyond the limit: %v, %v", seen, err)
			}
		}
		check(m, s)
		if memory {
			continue
		}
		batch := s.db.NewBatch()
		if err := m.save(batch); err != nil {
			t.Fatal(err)
		}
		if err := s.db.Apply(batch, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		again, err := newSeenMap(s, limit, false)
		if err != nil {
			t.Fatal(err)
		}
		check(again, s)
		clearing := s.db.NewBatch()
		defer clearing.Close()
		if err := again.clear(clearing); err != nil {
			t.Fatal(err)
		}
		if err := s.db.Apply(clearing, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		if seen, err := again.has(at(7)); err != nil || seen {
			t.Errorf("a cleared map: %v, %v", seen, err)
		}
	}
}

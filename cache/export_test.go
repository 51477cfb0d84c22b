package cache

import (
	"context"
	"testing"
)

// TestExportTables: who reads one file of a segment of short ones downloads a short table, and a segment of
// long contents has few.
func TestExportTables(t *testing.T) {
	const size, files = 60_000, 2_000 // 120 MB
	s, counts := scratchOf(t, files, size)
	fillScratch(t, s, counts)
	var lengths []int64
	if _, err := s.Export(context.Background(), ExportTo{Table: func(part int, t Table, _ []byte) error {
		if part > 0 {
			lengths = append(lengths, t.Size)
		}
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	for k, length := range lengths {
		if want := tableLength(k + 1); length > want+want/8 || k < len(lengths)-1 && length < want {
			t.Errorf("table %d has %d bytes, and should have about %d", k+1, length, want)
		}
	}
	if lengths[0] > 9<<20 || len(lengths) != 12 { // 8 of 8 MiB, 4 of 16
		t.Errorf("tables of %d bytes", lengths)
	}
	var all int64
	most := 0
	for ; all < 4<<30; most++ {
		all += tableLength(most + 1)
	}
	if most > 90 {
		t.Errorf("a segment of 4 GiB has %d tables", most)
	}
}

// fillScratch fetches all files of a scratch store, each of the length that was listed.
func fillScratch(t *testing.T, s *Store, c NameCounts) {
	t.Helper()
	for from := c.First; from < c.End; {
		page, next, err := s.Pending(from, c.End, 990)
		if err != nil {
			t.Fatal(err)
		}
		if from = next; page == nil {
			continue
		}
		for k := range page.Len() {
			if page.Open(k) {
				if err := page.Put(k, make([]byte, page.Size(k)), 5, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := page.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := page.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// listFrom lists and stores pages from the store's checkpoint on, as a mirror does,
// until page end. Each has a name that is left out.
func listFrom(t *testing.T, s *Store, pages [][]string, end int, after func()) {
	t.Helper()
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	from, _ := strconv.Atoi(s.Progress().Marker)
	for i := from; i < end; i++ {
		p, err := pl.Plan(names(pages[i]...))
		if err != nil {
			t.Fatal(err)
		}
		put(t, p)
		after()
		if err := s.Advance(Mark{Listing: true, Marker: fmt.Sprint(i + 1), ListingComplete: i+1 == len(pages), Listed: p.End(), Settled: p.End(), Skipped: 1}); err != nil {
			t.Fatal(err)
		}
		after()
	}
}

// TestRewind lists a part, and then everything again with names between that are
// new. A power cut at any moment leaves a store that the listing can go on with,
// in which each name is found and counted once.
func TestRewind(t *testing.T) {
	for variant := range 4 {
		sorted, dirs := variant%2 > 0, variant/2 > 0
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("sorted %v, directories %v, seed %d", sorted, dirs, seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			page := func(i, names int, more string) (page []string) {
				for k := range names {
					name := fmt.Sprintf("%02d%s%02d", i, more, k)
					if dirs && k%3 == 0 {
						name = fmt.Sprintf("d%d/", i/5) + name
					}
					page = append(page, name)
				}
				if slices.Sort(page); !sorted {
					rng.Shuffle(len(page), func(a, b int) { page[a], page[b] = page[b], page[a] })
				}
				return page
			}
			var first, second [][]string
			for i := range 20 {
				first = append(first, page(i, 20, "-"))
				// More new names come between than numbers were given out.
				second = append(second, page(i, 30, "+"), first[i])
			}
			disk := vfs.NewCrashableMem()
			o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1}
			s := open(t, o)
			listFrom(t, s, first, 12, func() {})
			before := s.Progress()
			if err := s.Rewind(); err != nil {
				t.Fatal(err)
			}
			if p := s.Progress(); p.Marker != "" || p.Skipped != 0 || p.Files != before.Files || p.Settled != before.Settled {
				t.Fatalf("rewound: %+v", p)
			}
			listFrom(t, s, second, len(second), func() {
				if rng.IntN(4) == 0 {
					if err := s.db.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				if rng.IntN(8) > 0 {
					return
				}
				clone := o
				clone.FS = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
				after := open(t, clone)
				verify(t, after)
				if p, now := after.Progress(), s.Progress(); p.Complete() && !now.Complete() {
					t.Errorf("complete after a cut: %+v", p)
				}
				if after.Progress().Listed == 0 && rng.IntN(2) == 0 { // and expired again
					if err := after.Rewind(); err != nil {
						t.Fatal(err)
					}
				}
				if after.Progress().Listed == 0 {
					listFrom(t, after, second, len(second), func() {})
					rewound(t, after, second, before)
				}
				if err := after.Close(); err != nil {
					t.Fatal(err)
				}
			})
			rewound(t, s, second, before)
		})
	}
}

func rewound(t *testing.T, s *Store, pages [][]string, before Progress) {
	t.Helper()
	verify(t, s)
	all := map[string]bool{}
	for _, page := range pages {
		for _, name := range page {
			all[name] = true
		}
	}
	p := s.Progress()
	if n := uint64(len(all)); !p.Complete() || p.Files != n || p.Fetched != n || p.Unchecked != before.Unchecked || p.Skipped != uint64(len(pages)) || p.Listed != p.Next {
		t.Errorf("%d files in %d pages: %+v", n, len(pages), p)
	}
}

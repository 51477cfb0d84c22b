package cache

import (
	"fmt"
	"slices"
	"testing"
)

// TestSample looks for files that are here among others that are not.
func TestSample(t *testing.T) {
	backends(t, func(t *testing.T, o Options) {
		s := open(t, o)
		if names, err := s.Sample(0, 4, false); err != nil || len(names) != 0 {
			t.Errorf("an empty store has %q, %v", names, err)
		}
		commit(t, plan(t, s, "a", "d/b"))
		var all []string
		for k := range 6 {
			all = append(all, fmt.Sprintf("e/%d", k))
		}
		put(t, plan(t, s, all...))
		commit(t, plan(t, s, "f"))
		for from := range s.Progress().Next + 5 {
			for _, here := range []bool{true, false} {
				names, err := s.Sample(from, 4, here)
				if err != nil || len(names) > 4 || !here && len(names) == 0 {
					t.Fatalf("from %d: %q, %v", from, names, err)
				}
				for _, name := range names {
					if here && !slices.Contains(all, name) {
						t.Errorf("from %d: %q", from, names)
					}
				}
				if from == 0 && len(names) != 4 {
					t.Errorf("%q", names)
				}
			}
		}
	})
}

package objects_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// TestProbeLeft has a probe remove what one that was killed has left long ago, and nothing of one
// that may still run.
func TestProbeLeft(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := objectstest.New(objectstest.Options{Now: func() time.Time { return now }})
	put := func(name string) {
		if err := s.Put(t.Context(), name, objects.BytesBody([]byte("text"))); err != nil {
			t.Fatal(err)
		}
	}
	put("probe/killed/race/00")
	put("probe/killed/twice")
	put("names/000000000000")
	now = now.Add(61 * time.Minute)
	put("probe/running/race/00")
	if err := objects.Probe(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(s.Objects()))
	if want := []string{"names/000000000000", "probe/running/race/00"}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
}

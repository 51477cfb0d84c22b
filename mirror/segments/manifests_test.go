package segments

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
)

// TestManifests has manifests contradict each other.
func TestManifests(t *testing.T) {
	var x Index
	one := Manifest{Segments: []Sealed{testSealed(1)}}
	if err := x.Add(&one); err != nil {
		t.Fatal(err)
	}
	for what, m := range map[string]Manifest{
		"sealed twice":           {Number: 1, Segments: one.Segments},
		"a gap":                  {Number: 2},
		"complete without the 0": {Number: 1, Complete: true},
	} {
		x := x
		if err := x.Add(&m); !errors.Is(err, ErrBad) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, r := t.Context(), testReader(t)
	if _, err := r.WriteManifest(ctx, Manifest{Number: 1, Attempt: NewAttempt()}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Follow(ctx, &Index{}); !errors.Is(err, ErrBad) {
		t.Errorf("the first manifest is missing: %v", err)
	}
}

// TestSealCounts seals commits that count what the names have not, in a sum that overflows too.
func TestSealCounts(t *testing.T) {
	n := testNames(0, "")
	for want, counts := range map[error]cache.ContentCounts{
		nil:    {Fetched: 1},
		ErrBad: {Fetched: 2, Gone: math.MaxUint64},
	} {
		if _, err := Seal(&n, 1, &Commit{Names: n.Attempt, Attempt: NewAttempt(), Counts: counts}); !errors.Is(err, want) {
			t.Errorf("%+v: %v", counts, err)
		}
	}
}

// hiding is a store whose first listing leaves an object out that was written meanwhile.
type hiding struct {
	objects.Store
	name string
}

func (h *hiding) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	hidden := h.name
	h.name = ""
	return h.Store.List(ctx, prefix, after, func(i objects.Info) bool { return i.Name == hidden || fn(i) })
}

// TestListedMeanwhile follows manifests of which two are written while they are listed, and the
// listing has the second alone.
func TestListedMeanwhile(t *testing.T) {
	ctx, r := t.Context(), testReader(t)
	for n := range uint64(3) {
		if _, err := r.WriteManifest(ctx, Manifest{Number: n, Attempt: NewAttempt(), Complete: n == 2}); err != nil {
			t.Fatal(err)
		}
	}
	r.Store = &hiding{r.Store, ManifestName(1)}
	var all Index
	if _, err := r.Follow(ctx, &all); err != nil || !all.Complete {
		t.Errorf("%+v, %v", all, err)
	}
}

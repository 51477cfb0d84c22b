package objects_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
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

// hanging is a store that answers nothing.
type hanging struct{ objects.Store }

func (hanging) Create(ctx context.Context, _ string, _ objects.Body) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func (hanging) List(ctx context.Context, _, _ string, _ func(objects.Info) bool) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestProbeStopped stops a probe of a store that hangs: that takes seconds.
func TestProbeStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		start := time.Now()
		err := objects.Probe(ctx, hanging{})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > time.Minute+5*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
)

// keeping is a store that removes no object whose name ends so.
type keeping struct {
	objects.Store
	keeps   string
	refused atomic.Int64
}

var errKept = errors.New("it is kept")

func (s *keeping) Delete(ctx context.Context, name string) error {
	if strings.HasSuffix(name, s.keeps) {
		s.refused.Add(1)
		return errKept
	}
	return s.Store.Delete(ctx, name)
}

// TestSweepGoesOn has objects that cannot be removed be in the way of a sweep: it removes the others, and
// names one. Where none can be removed it gives up soon.
func TestSweepGoesOn(t *testing.T) {
	const lost = 3 * skipAfter
	p := newTestProcess(t, NewLocal())
	won, lose := segments.NewAttempt(), segments.NewAttempt()
	all := segments.Index{Segments: []segments.Sealed{{Seq: 0, Attempt: won}}}
	put := func(prefix, attempt string, k int) {
		if err := p.store.Create(t.Context(), segments.AttemptPrefix(prefix, 0, attempt)+fmt.Sprintf("%06d", k), objects.BytesBody(nil)); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		for _, prefix := range []string{segments.ContentsPrefix, segments.BlobsPrefix} {
			if err := p.store.List(t.Context(), prefix, "", func(objects.Info) bool { n++; return true }); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	for _, prefix := range []string{segments.ContentsPrefix, segments.BlobsPrefix} {
		put(prefix, won, 0)
		for k := range lost {
			put(prefix, lose, k)
		}
	}
	inner := p.store
	none := &keeping{Store: inner}
	p.store = none
	if err := p.sweep(t.Context(), &all); !errors.Is(err, errKept) || count() != 2*(lost+1) {
		t.Errorf("%v, and %d are left", err, count())
	}
	if n := none.refused.Load(); n > 2*(mostUnremoved+deletesAtOnce) {
		t.Errorf("it has tried %d", n)
	}
	some := &keeping{Store: inner, keeps: "500"}
	p.store = some
	if err := p.sweep(t.Context(), &all); !errors.Is(err, errKept) || !strings.Contains(err.Error(), "500") || count() != 2+2*lost/1000 {
		t.Errorf("%v, and %d are left", err, count())
	}
	p.store = inner
	if err := p.sweep(t.Context(), &all); err != nil || count() != 2 {
		t.Errorf("%v, and %d are left", err, count())
	}
}

package segments

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/objects"
)

// boaster is an object store whose objects have a few bytes, and that says of each that it has a
// gigabyte.
type boaster struct{ objects.Store }

func (boaster) Get(context.Context, string, int64, int64) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader(`{"format":1}`)), 1 << 30, nil
}

// TestBoaster has an object store say that much is to come: nothing is set aside for it.
func TestBoaster(t *testing.T) {
	r := Reader{Store: boaster{}}
	for what, read := range map[string]func() error{
		"manifest": func() error { _, err := r.Manifest(t.Context(), 0, false); return err },
		"names":    func() error { _, _, err := r.Names(t.Context(), 0); return err },
		"commit":   func() error { _, err := r.Commit(t.Context(), 0); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrBad) {
			t.Errorf("%s: %v", what, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: %d bytes of memory for a few that came", what, took)
		}
	}
}

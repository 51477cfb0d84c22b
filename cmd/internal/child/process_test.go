package child

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errLate = errors.New("too late")

func TestAwait(t *testing.T) {
	p, err := Start("", "sh", "-c", "echo no device >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Await(t.Context(), func() bool { return false }); err == nil || err.Error() != "it ended (exit status 3): no device" {
		t.Errorf("one that ends: %v", err)
	}
	p, err = Start("", "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errLate)
	defer cancel()
	if err := p.Await(ctx, func() bool { return false }); !errors.Is(err, errLate) {
		t.Errorf("one that hangs: %v", err)
	}
	p.Stop()
	p.Stop() // again does no harm
}

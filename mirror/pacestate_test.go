package mirror

import (
	"testing"
	"time"
)

// TestPaceState: until when an origin wants to be left alone is told, and not once it is over.
func TestPaceState(t *testing.T) {
	p, now := newPace(0, 0), time.Now()
	if until, slowed := p.state(now); !until.IsZero() || slowed {
		t.Errorf("at first %v, %v", until, slowed)
	}
	p.throttled(time.Minute, time.Minute)
	if until, slowed := p.state(now); until.Before(now.Add(time.Minute)) || !slowed {
		t.Errorf("after a 429 %v, %v", until, slowed)
	}
	if until, slowed := p.state(now.Add(time.Hour)); !until.IsZero() || !slowed {
		t.Errorf("later %v, %v", until, slowed)
	}
}

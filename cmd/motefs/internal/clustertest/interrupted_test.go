package clustertest

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestInterruptedWithAllAway has neither the object store nor NATS answer as two processes are stopped by Ctrl-C.
// They end soon, one of them by a second Ctrl-C, and others go on with the mirror.
func TestInterruptedWithAllAway(t *testing.T) {
	t.Parallel()
	r := newWorld(t).begin(t, 800, 100*time.Millisecond, 0)
	all := []*member{r.join(), r.join()}
	r.committed(2)
	for i, m := range all {
		m.door.be(trouble{silent: true})
		m.way.Cut()
		began := time.Now()
		m.Signal(os.Interrupt)
		if i == 1 {
			r.until("it to say that it stops", func() bool { return m.Ended() || stopping(m) })
			m.Signal(os.Interrupt)
		}
		r.until("it to end", m.Ended)
		m.dead = true
		t.Logf("process %d ends after %v", i, time.Since(began).Round(10*time.Millisecond))
	}
	r.join()
	r.finish()
	t.Logf("%d segments are fetched again", r.check())
}

// stopping reports whether a process says that it stops.
func stopping(m *member) bool {
	return strings.Contains(m.Stderr.String(), "a second Ctrl-C ends at once")
}

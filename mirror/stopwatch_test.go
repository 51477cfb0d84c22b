package mirror

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestStopwatch counts the time once while several wait.
func TestStopwatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w stopwatch
		first := w.start()
		time.Sleep(time.Second)
		second := w.start()
		time.Sleep(time.Second)
		first()
		if got := w.elapsed(time.Now()); got != 2*time.Second {
			t.Errorf("%v while one waits", got)
		}
		time.Sleep(time.Second)
		second()
		time.Sleep(time.Hour)
		if got := w.elapsed(time.Now()); got != 3*time.Second {
			t.Errorf("%v when nobody does", got)
		}
	})
}

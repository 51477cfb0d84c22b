package mirror

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterLived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		called := make(chan time.Duration, 2)
		stop := afterLived(16*time.Second, func() { called <- time.Since(start) })
		stopped := afterLived(16*time.Second, func() { t.Error("called after stop") })
		time.Sleep(15 * time.Second)
		stopped()
		if got := <-called; got != 16*time.Second {
			t.Errorf("called after %v", got)
		}
		stop()
		time.Sleep(time.Hour)
		if len(called) > 0 {
			t.Error("called twice")
		}
	})
}

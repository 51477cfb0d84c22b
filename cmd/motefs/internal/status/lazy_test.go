package status

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLazy: what takes long to find is waited for a moment, or for as long as it takes.
func TestLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		l := lazy[int]{ctx: t.Context(), wg: &wg, find: func(context.Context) (int, error) {
			time.Sleep(time.Minute)
			return 7, nil
		}}
		start := time.Now()
		if got := l.get(start); got != nil || time.Since(start) != lazyPatience {
			t.Errorf("%v after %v", got, time.Since(start))
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := l.wait(short, time.Now()); got != nil {
			t.Errorf("%d is known already", *got)
		}
		if got := l.wait(t.Context(), time.Now()); got == nil || *got != 7 || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", got, time.Since(start))
		}
		wg.Wait()
	})
}

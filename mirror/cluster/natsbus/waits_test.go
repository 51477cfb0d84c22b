package natsbus

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// TestWaitsOnce has NATS be away twice, for a minute each, while many wait for it. The log is told once each
// time that it is, and once that it is back.
func TestWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := &Bus{o: Options{Log: zerolog.New(zerolog.SyncWriter(&log)), Servers: "nats://a"}, ctx: t.Context()}
		for range 2 {
			var wg sync.WaitGroup
			back := time.Now().Add(time.Minute)
			for range 6 {
				wg.Go(func() {
					err := b.try(t.Context(), "pull a segment", func(context.Context) error {
						if time.Now().Before(back) {
							return errors.New("no answer")
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			time.Sleep(time.Minute)
		}
		if waits, again := strings.Count(log.String(), "waiting for NATS"), strings.Count(log.String(), "again"); waits != 2 || again != 2 {
			t.Errorf("the log: %s", log.String())
		}
	})
}

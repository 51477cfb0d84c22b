package replica

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestKeepDoingSaysSoOnce fails some times in a row: the log hears the first, and that it goes on.
func TestKeepDoingSaysSoOnce(t *testing.T) {
	var log bytes.Buffer
	r := &Replica{opts: Options{backoff: time.Millisecond}, log: zerolog.New(&log).Level(zerolog.InfoLevel)}
	r.sampled = r.log
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	news := make(chan struct{}, 1)
	fails := []bool{true, true, true, false, true, true, false}
	r.keepDoing(ctx, news, "bring names", func() error {
		if len(fails) == 0 {
			cancel()
			return nil
		}
		failed := fails[0]
		if fails = fails[1:]; failed {
			return errors.New("no room")
		}
		news <- struct{}{} // it is done again
		return nil
	})
	if n, m := strings.Count(log.String(), "tried again"), strings.Count(log.String(), "goes on"); n != 2 || m != 2 {
		t.Errorf("it says %d and %d times:\n%s", n, m, log.String())
	}
}

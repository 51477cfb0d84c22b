package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retry is the one place where anything is tried again. It calls attempt until
// that returns nil, an error for which Temporary does not hold, or until limit
// has passed (negative: for ever) since the first of the attempts that got
// nowhere. The wait between attempts grows, with jitter, and is at least what the
// origin's Retry-After asks for, as far as limit allows.
func (e *Engine) retry(ctx context.Context, limit time.Duration, attempt func() (progress bool, err error)) error {
	wait := &backoff.ExponentialBackOff{
		InitialInterval:     e.opts.Backoff,
		RandomizationFactor: backoff.DefaultRandomizationFactor,
		Multiplier:          backoff.DefaultMultiplier,
		MaxInterval:         maxBackoff,
	}
	wait.Reset()
	var since time.Time // of the first attempt in a row that got nowhere
	for {
		progress, err := attempt()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil || !Temporary(err) {
			return err
		}
		if progress {
			wait.Reset()
		}
		if progress || since.IsZero() {
			since = time.Now()
		}
		pause := max(wait.NextBackOff(), retryAfter(err))
		if limit >= 0 {
			left := limit - time.Since(since)
			if left <= 0 {
				return fmt.Errorf("%w (tried again for %v)", err, time.Since(since).Round(time.Second))
			}
			pause = min(pause, left) // a Retry-After of one file must not end a Run
		}
		e.opts.Log.Debug().Err(err).Dur("pause", pause).Msg("trying again")
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func retryAfter(err error) time.Duration {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.RetryAfter
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// list asks for one page of the listing.
func (e *Engine) list(ctx context.Context, marker string) (page Page, err error) {
	err = e.retry(ctx, e.opts.Outage, func() (bool, error) {
		page, err = e.opts.Lister.List(ctx, marker)
		e.throttled(err)
		return false, err
	})
	return page, err
}

// throttled reports whether err is the origin's way to say "not so fast", and
// then slows the mirror down.
func (e *Engine) throttled(err error) bool {
	if !putOff(err) {
		return false
	}
	after := retryAfter(err)
	if e.opts.Outage >= 0 {
		after = min(after, e.opts.Outage) // a longer one is an outage
	}
	e.pace.throttled(after)
	return true
}

// putOff reports whether err is a 429, or a 503 with Retry-After. A plain 503 is
// also what a proxy says of an origin that is down.
func putOff(err error) bool {
	status, ok := errors.AsType[*StatusError](err)
	return ok && (status.Code == 429 || status.Code == 503 && status.RetryAfter > 0)
}

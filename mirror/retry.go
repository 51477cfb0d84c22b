package mirror

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// newBackoff returns the waits between attempts: they grow, with jitter, up to
// most.
func (e *Engine) newBackoff(most time.Duration) *backoff.ExponentialBackOff {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = e.opts.Backoff, most
	wait.Reset()
	return wait
}

// retry calls attempt until that returns nil, an error for which Temporary does
// not hold, or *tries such errors in a row without progress; 0: until ctx ends. The
// wait between attempts is at least what the origin's Retry-After asks for.
func (e *Engine) retry(ctx context.Context, tries *int, attempt func() (progress bool, err error)) error {
	wait := e.newBackoff(maxBackoff)
	for n := 1; ; n++ {
		progress, err := attempt()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil || !Temporary(err) {
			return err
		}
		if progress {
			wait.Reset()
			n = 1
		}
		if *tries > 0 && n >= *tries {
			return err
		}
		if errors.Is(err, ErrUnreachable) {
			e.health.down(err)
		}
		pause := max(wait.NextBackOff(), retryAfter(err))
		e.opts.Log.Debug().Err(err).Dur("pause", pause).Msg("trying again")
		e.counts.again(err, 1)
		waited := func() {}
		if throttling(err) {
			waited = e.pace.waited.start()
		}
		slept := sleep(ctx, pause)
		waited()
		if slept != nil {
			return slept
		}
	}
}

// throttling reports whether err is the origin's way to say "not so fast".
func throttling(err error) bool {
	status, ok := errors.AsType[*StatusError](err)
	return ok && (status.Code == 429 || status.Code == 503 && status.RetryAfter > 0)
}

func retryAfter(err error) time.Duration {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.RetryAfter
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// list asks for one page of the listing. Its error is ErrOutage once that has
// failed for Options.Outage, whatever becomes of files meanwhile. It begins when the origin is
// not to be left alone any more.
func (e *Engine) list(ctx context.Context, marker string) (page Page, err error) {
	if err := e.pace.rest(ctx); err != nil { // not within what an outage may last
		return Page{}, err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var patience func() // stops the timer
	err = e.retry(ctx, new(int), func() (bool, error) {
		page, err = e.opts.Lister.List(ctx, marker)
		if err != nil && ctx.Err() == nil {
			e.throttled(err)
			if throttling(err) {
				e.health.bad(err) // it is there
			} else {
				e.health.down(err)
			}
			if limit := e.opts.Outage; limit >= 0 && patience == nil {
				patience = afterLived(limit, func() { end(e.health.outage(limit)) })
			}
		}
		return false, err
	})
	if patience != nil {
		patience()
	}
	if err == nil {
		e.health.alive()
	}
	return page, err
}

// throttled slows the mirror down where err is the origin's way to say "not so
// fast": a 429, or a 503 with Retry-After. A plain 503 is also what a proxy says of
// an origin that is down.
func (e *Engine) throttled(err error) {
	if !throttling(err) {
		return
	}
	asked := retryAfter(err)
	after := asked
	if e.opts.Outage >= 0 {
		after = min(after, e.opts.Outage) // a longer one is an outage
	}
	e.pace.throttled(asked, after)
}

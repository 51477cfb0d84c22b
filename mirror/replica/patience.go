package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
)

// patience is the object store as a download sees it. It ends the download's context once nothing
// has come of it for a time; what takes long, but comes, goes on.
type patience struct {
	objects.Store
	timer *time.Timer
	wait  time.Duration
	// came is how many bytes came in the attempt under way, and most in the best one before.
	came atomic.Int64
	most int64
}

// patient returns the object store with the patience of a download that begins. The caller
// calls stop.
func (r *Replica) patient(ctx context.Context) (p *patience, _ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	p = &patience{Store: r.opts.Objects, wait: r.opts.Patience}
	p.timer = time.AfterFunc(p.wait, func() { cancel(errPatience) })
	return p, ctx, func() {
		p.timer.Stop()
		cancel(nil)
	}
}

// aside does what does not wait for the object store: it takes as long as it takes.
func (p *patience) aside(fn func() error) error {
	p.timer.Stop()
	defer p.timer.Reset(p.wait)
	return fn()
}

// got notes that bytes have come.
func (p *patience) got(n int) {
	if n > 0 {
		p.came.Add(int64(n))
		p.timer.Reset(p.wait)
	}
}

// fruitless ends an attempt that failed. It reports whether bytes came, and no more of them than
// in one before.
func (p *patience) fruitless() bool {
	came := p.came.Swap(0)
	if came > p.most {
		p.most = came
		return false
	}
	return came > 0
}

// Get implements objects.Store.
func (p *patience) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	body, size, err := p.Store.Get(ctx, name, off, n)
	if err != nil {
		return nil, 0, err
	}
	return &arriving{body, p}, size, nil
}

// List implements objects.Store.
func (p *patience) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	return p.Store.List(ctx, prefix, after, func(i objects.Info) bool {
		p.got(len(i.Name))
		return fn(i)
	})
}

// arriving is what is read of an object.
type arriving struct {
	io.ReadCloser
	p *patience
}

func (a *arriving) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	a.p.got(n)
	return n, err
}

// retry calls attempt until it returns nil, and gives up once nothing has come for
// Options.Patience. An error that does not say that it may pass is one after certainTries,
// and any error after fruitlessTries that brought the same bytes once more.
func (r *Replica) retry(ctx context.Context, attempt func(context.Context, *patience) error) error {
	p, ctx, stop := r.patient(ctx)
	defer stop()
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = r.opts.backoff, maxBackoff
	wait.Reset()
	for certain, fruitless := 1, 0; ; {
		err := attempt(ctx, p)
		if err != nil && p.fruitless() {
			fruitless++
		}
		switch {
		case err == nil, r.ctx.Err() != nil:
			return errors.Join(err, context.Cause(r.ctx))
		case ctx.Err() != nil:
			return gaveUp(ctx, err)
		case errors.Is(err, errLocal), fruitless == fruitlessTries:
			return err
		case !mirror.Temporary(err):
			if certain++; certain > certainTries {
				return err
			}
		}
		r.counts.retries.Add(1)
		r.log.Debug().Err(err).Msg("trying again")
		select {
		case <-ctx.Done():
			return gaveUp(ctx, err)
		case <-time.After(wait.NextBackOff()):
		}
	}
}

// once is one attempt, which ends where nothing comes for Options.Patience.
func (r *Replica) once(ctx context.Context, attempt func(context.Context, *patience) error) error {
	p, ctx, stop := r.patient(ctx)
	defer stop()
	err := attempt(ctx, p)
	if err != nil && ctx.Err() != nil {
		return gaveUp(ctx, err)
	}
	return err
}

// errPatience ends a download of which nothing comes.
var errPatience = errors.New("the object store does not deliver")

// gaveUp is the error of a download whose context has ended, and that was last tried with err.
// That is not in it as an error: it may be a deadline's, and readers' own deadlines are
// another thing.
func gaveUp(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case !errors.Is(err, cause):
		return fmt.Errorf("%w: %v", cause, err) //nolint:errorlint // see above
	case errors.Is(cause, errPatience): // which err says already
		return &saying{err.Error(), cause}
	}
	return err
}

// saying is an error in the words of another.
type saying struct {
	text  string
	cause error
}

func (s *saying) Error() string { return s.text }
func (s *saying) Unwrap() error { return s.cause }

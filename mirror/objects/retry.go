package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/motefs/motefs/mirror"
	"github.com/rs/zerolog"
)

const (
	// firstPause and mostPause are the waits between tries, with jitter: after a minute's outage
	// all is under way again within mostPause and half of it.
	firstPause, mostPause = 100 * time.Millisecond, 10 * time.Second
	// mostRetryAfter bounds what a store's Retry-After is believed.
	mostRetryAfter = 5 * time.Minute
)

var _ Store = (*Retrier)(nil)

// Retrier is a store that tries again what may pass, for as long as the caller's context
// lasts. What a reader or a listing misses is asked for from there on, as objects do not
// change. So ErrExists of a Create may be its own: see Claim.
type Retrier struct {
	store  Store
	health health
}

// Retry returns a store that tries again. Its Close closes store. log hears that the store
// is away, at most every tellEvery, and that it is back.
func Retry(store Store, log zerolog.Logger) *Retrier {
	r := &Retrier{store: store, health: health{log: log}}
	if w, ok := store.(Waiter); ok {
		w.Waits(r.health.bad)
	}
	return r
}

// Away returns since when nothing has come of what the store was asked for, and the last error;
// zero where it answers.
func (r *Retrier) Away() (since time.Time, why error) { return r.health.state() }

// attempts are the tries of one operation.
type attempts struct {
	r       *Retrier
	op      string
	name    string
	write   bool
	failing bool      // it is a write that is tried again
	from    time.Time // when the try of now began
	wait    *backoff.ExponentialBackOff
}

func (r *Retrier) attempts(op, name string) *attempts {
	return &attempts{r: r, op: op, name: name, from: time.Now()}
}

// good says that a try brought something.
func (a *attempts) good() {
	a.r.health.good(a.write)
	a.wait, a.from = nil, time.Now()
}

// ended says that there is no other try.
func (a *attempts) ended() {
	n := 0
	if a.failing {
		a.failing = false
		n = -1
	}
	a.r.health.failing(n)
}

// again waits after a try that failed, and returns nil where there is to be another one.
func (a *attempts) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !mirror.Temporary(err) {
		if a.answered(err) {
			a.good()
		}
		return err
	}
	if a.write && !a.failing {
		a.failing = true
		a.r.health.failing(1)
	}
	a.r.health.bad(a.write, a.from, err)
	if a.wait == nil {
		a.wait = backoff.NewExponentialBackOff()
		a.wait.InitialInterval, a.wait.MaxInterval = firstPause, mostPause
		a.wait.Reset()
	}
	pause := a.wait.NextBackOff()
	if status, ok := errors.AsType[*mirror.StatusError](err); ok {
		pause = max(pause, min(status.RetryAfter, mostRetryAfter))
	}
	a.r.health.log.Debug().Err(err).Dur("pause", pause).Msg("asking the object store again")
	select {
	case <-time.After(pause):
		a.from = time.Now()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %q: %w; the last try: %w", a.op, a.name, context.Cause(ctx), err)
	}
}

// answered reports whether an error is the answer of a store that is well.
func (*attempts) answered(err error) bool {
	return errors.Is(err, ErrExists) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange)
}

// write is do for what writes.
func (r *Retrier) write(ctx context.Context, op, name string, try func() error) error {
	a := r.attempts(op, name)
	a.write = true
	defer a.ended()
	return a.do(ctx, try)
}

// do tries until try returns nil or what does not pass.
func (a *attempts) do(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			a.good()
			return nil
		}
		if err = a.again(ctx, err); err != nil {
			return err
		}
	}
}

// Put implements Store.
func (r *Retrier) Put(ctx context.Context, name string, body Body) error {
	return r.write(ctx, "put", name, func() error { return r.store.Put(ctx, name, body) })
}

// Create implements Store.
func (r *Retrier) Create(ctx context.Context, name string, body Body) error {
	return r.write(ctx, "create", name, func() error { return r.store.Create(ctx, name, body) })
}

// Delete implements Store.
func (r *Retrier) Delete(ctx context.Context, name string) error {
	return r.write(ctx, "delete", name, func() error { return r.store.Delete(ctx, name) })
}

// List implements Store. fn hears of no object twice.
func (r *Retrier) List(ctx context.Context, prefix, after string, fn func(Info) bool) error {
	a := r.attempts("list", prefix)
	for {
		err := r.store.List(ctx, prefix, after, func(i Info) bool {
			a.good()
			after = i.Name
			return fn(i)
		})
		if err == nil {
			a.good()
			return nil
		}
		if err = a.again(ctx, err); err != nil {
			return err
		}
	}
}

// Get implements Store.
func (r *Retrier) Get(ctx context.Context, name string, off, n int64) (body io.ReadCloser, size int64, err error) {
	err = r.attempts("get", name).do(ctx, func() error {
		body, size, err = r.store.Get(ctx, name, off, n)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if n < 0 {
		n = size - off
	}
	return &resumed{ctx: ctx, a: r.attempts("read", name), body: body, size: size, off: off, left: n}, size, nil
}

// resumed is a reader that goes on where another one broke off.
type resumed struct {
	ctx       context.Context // of the Get
	a         *attempts
	body      io.ReadCloser // nil between two
	size      int64
	off, left int64
}

func (r *resumed) Read(p []byte) (int, error) {
	r.a.from = time.Now()
	for {
		if r.body == nil {
			body, size, err := r.a.r.store.Get(r.ctx, r.a.name, r.off, r.left)
			if err == nil && size != r.size {
				body.Close()
				return 0, fmt.Errorf("read %q: it had %d bytes, and has %d now", r.a.name, r.size, size)
			}
			if err != nil {
				if err = r.a.again(r.ctx, err); err != nil {
					return 0, err
				}
				continue
			}
			r.body = body
		}
		n, err := r.body.Read(p)
		r.off, r.left = r.off+int64(n), r.left-int64(n)
		if n > 0 {
			r.a.good()
		}
		switch {
		case err == nil:
			return n, nil
		case r.left == 0 && errors.Is(err, io.EOF):
			return n, io.EOF
		// Of a sum that is wrong it is not known which bytes are.
		case errors.Is(err, mirror.ErrChecksum):
			return n, err
		}
		r.body.Close()
		r.body = nil
		if err = r.a.again(r.ctx, err); err != nil || n > 0 {
			return n, err
		}
	}
}

func (r *resumed) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

// Close implements Store.
func (r *Retrier) Close() error { return r.store.Close() }

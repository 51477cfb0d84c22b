package natsbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motefs/motefs/mirror/cluster"
)

// Bus is a cluster.Bus over NATS.
type Bus struct {
	o      Options
	conn   *nats.Conn
	js     jetstream.JetStream
	queue  queue
	lease  *lease
	inbox  *reports
	lost   chan struct{}
	waits  waits
	ctx    context.Context // ends with Close, or when NATS refuses this process for good
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	close  func() error
}

var _ cluster.Bus = (*Bus)(nil)

// Open joins the cluster of a mirror. It waits for NATS as long as ctx lasts, and makes there
// what is missing.
func Open(ctx context.Context, o Options) (*Bus, error) {
	o = o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	b := &Bus{o: o, lost: make(chan struct{}, 1)}
	b.ctx, b.cancel = context.WithCancelCause(context.Background())
	b.close = sync.OnceValue(b.leave)
	if err := b.open(ctx); err != nil {
		b.cancel(cluster.ErrBusClosed)
		if b.conn != nil {
			b.conn.Close()
		}
		return nil, err
	}
	if !o.ClaimsOnly {
		b.wg.Go(b.watch)
	}
	return b, nil
}

func (b *Bus) open(ctx context.Context) error {
	var err error
	if b.conn, b.js, err = dial(ctx, b.o, b.handlers()...); err != nil {
		return err
	}
	if b.inbox, err = listen(b.conn, subjects(b.o.Mirror).reports(), b.o.ReportAge); err != nil {
		return err
	}
	b.queue.names, b.queue.itemTimeout, b.queue.making = subjects(b.o.Mirror), b.o.ItemTimeout, make(chan struct{}, 1)
	b.lease = newLease(b)
	if b.o.ClaimsOnly {
		return nil
	}
	return b.try(ctx, "look for the queue", func(context.Context) error {
		if b.queue.is(noted) { // whoever opens it finds out by Over
			return nil
		}
		_, _, err := b.queue.get()
		return err
	})
}

// dial connects, for JetStream too.
func dial(ctx context.Context, o Options, more ...nats.Option) (*nats.Conn, jetstream.JetStream, error) {
	conn, err := connect(ctx, o, more...)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(offerWindow), jetstream.WithDefaultTimeout(onceTimeout))
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, js, nil
}

// handlers tell the log how the connection is, and others what follows from it.
func (b *Bus) handlers() []nats.Option {
	log := b.o.Log
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if b.ctx.Err() == nil {
				log.Warn().Err(err).Str("servers", b.o.where()).Msg("NATS is away")
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			log.Info().Str("server", c.ConnectedServerName()).Msg("NATS is back")
			b.forgot()
		}),
		nats.ClosedHandler(func(c *nats.Conn) {
			if err := c.LastError(); err != nil && b.ctx.Err() == nil {
				log.Error().Err(err).Msg("NATS refuses this process")
				b.cancel(fmt.Errorf("%w: %w", cluster.ErrBusClosed, err))
			}
			b.cancel(cluster.ErrBusClosed)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrSlowConsumer) { // reports, of which the next is as good
				log.Warn().Err(err).Msg("NATS reports an error")
			}
		}),
	}
}

// Lost is told when items may have been lost: the queue was made anew, purged, or NATS was
// away. Whoever holds the lease then offers again all that is left.
func (b *Bus) Lost() <-chan struct{} { return b.lost }

func (b *Bus) forgot() {
	select {
	case b.lost <- struct{}{}:
	default: // it has been told, and not heard yet
	}
}

// Lease returns who may list.
func (b *Bus) Lease() cluster.Lease { return b.lease }

// Close gives up the lease, where NATS is there to hear it, and leaves the cluster.
func (b *Bus) Close() error { return b.close() }

// leaveTimeout is how long Close waits for NATS.
const leaveTimeout = 2 * time.Second

func (b *Bus) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	err := b.lease.Release(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, cluster.ErrBusClosed) {
		err = nil // it runs out by itself
	}
	if errors.Is(err, errOver) {
		err = nil // it is gone
	}
	b.cancel(cluster.ErrBusClosed)
	b.wg.Wait()
	b.conn.Close()
	return err
}

// try calls once until it succeeds, with onceTimeout each time. What is missing in NATS is made
// again. It ends with ctx and with the bus.
func (b *Bus) try(ctx context.Context, what string, once func(context.Context) error) error {
	failed := false
	var last error
	err := b.insist(ctx, what, func(ctx context.Context) error {
		err := briefly(ctx, once)
		if missing(err) {
			if err = b.restore(ctx); err == nil {
				err = briefly(ctx, once)
			}
		}
		failed = failed || err != nil
		last = err
		return err
	}, func(err error) {
		if !errors.Is(err, errNoted) && b.waits.begin() {
			b.o.Log.Warn().Err(plain(err)).Str("servers", b.o.where()).Msg("waiting for NATS to " + what)
		}
	})
	if err == nil && failed {
		if took := b.waits.end(); took > 0 {
			b.o.Log.Info().Stringer("after", took.Round(time.Millisecond)).Msg("NATS does what it is asked for again")
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && last != nil && !errors.Is(last, context.DeadlineExceeded) {
		return &late{ended: err, last: fmt.Errorf("%s: %w", what, plain(last))}
	}
	return err
}

// insist calls once until it succeeds, and say now and then meanwhile. It ends with ctx and with the bus.
func (b *Bus) insist(ctx context.Context, what string, once func(context.Context) error, say func(error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.ctx, func() { cancel(context.Cause(b.ctx)) })()
	err := again(ctx, func() error {
		if err := context.Cause(ctx); err != nil {
			return backoff.Permanent(err)
		}
		return once(ctx)
	}, sayEvery, say)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// waits is since when the log knows that NATS is waited for, by whomever and for whatever.
type waits struct {
	mu    sync.Mutex
	since time.Time // zero: it is not
}

// begin reports whether the log does not know it yet.
func (w *waits) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.since.IsZero() {
		return false
	}
	w.since = time.Now()
	return true
}

// end returns for how long the log has known it, 0: it has not.
func (w *waits) end() (took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.since.IsZero() {
		took = max(time.Since(w.since), 1)
	}
	w.since = time.Time{}
	return took
}

// briefly calls once for at most onceTimeout.
func briefly(ctx context.Context, once func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	return once(ctx)
}

// errMissing says that something has to be made.
var errMissing = errors.New("not there yet")

// missing reports whether an error says that something in NATS is not there.
func missing(err error) bool {
	for _, gone := range []error{
		errMissing, jetstream.ErrStreamNotFound, jetstream.ErrConsumerNotFound, jetstream.ErrConsumerDoesNotExist, jetstream.ErrConsumerDeleted,
		jetstream.ErrBucketNotFound, jetstream.ErrNoStreamResponse, nats.ErrNoResponders,
	} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

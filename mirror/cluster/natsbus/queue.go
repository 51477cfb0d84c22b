package natsbus

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// workers is the name of the consumer.
	workers = "workers"
	// maxWorking is how many items may be worked at, in the whole cluster.
	maxWorking = 4096
	// maxItems is how many items may be queued; more are left out until they are offered
	// again. Each takes NATS some 200 bytes.
	maxItems = 1 << 20
	// itemAge is when NATS forgets items and the mark of a mirror that nobody works at.
	itemAge = 7 * 24 * time.Hour
	// replicas is how many servers have a copy.
	replicas = 3
	// watchEvery is how often a process looks at the mark, replicasEvery how often for servers
	// that can have a copy.
	watchEvery, replicasEvery = 2 * time.Second, 30 * time.Second
)

// queue is the stream of items.
type queue struct {
	names       subjects
	itemTimeout time.Duration

	making chan struct{} // has room for who asks NATS for the mark, and makes what is missing
	mu     struct {
		sync.Mutex
		stream   jetstream.Stream
		consumer jetstream.Consumer
		mark     string // as it was seen
		made     uint64 // how often all was found or made
		end      end
	}
}

// end says whether the mirror is known to be complete. Then nothing is made again.
type end int

const (
	unknown end = iota
	noted       // another has said so; see Bus.Over
	over        // this process has said so, for good
)

// lock waits for its turn with the mark. unlock ends it.
func (q *queue) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case q.making <- struct{}{}:
		return func() { <-q.making }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *queue) config(copies int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: q.names.stream(), Description: "items of a motefs mirror", Subjects: []string{q.names.items(), q.names.mark()},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Replicas: copies,
		MaxMsgsPerSubject: 1, MaxMsgs: maxItems, Discard: jetstream.DiscardNew, MaxAge: itemAge, Duplicates: time.Second,
		FirstSeq: firstSeq(),
	}
}

func (q *queue) consumerConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: workers, FilterSubject: q.names.items(), AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		AckWait: q.itemTimeout, MaxDeliver: -1, MaxAckPending: maxWorking,
	}
}

// firstSeq returns where a new stream begins: so far from where another one may be that it
// takes none of that one's acknowledgements for its own.
func firstSeq() uint64 {
	var far [4]byte
	_, _ = rand.Read(far[:]) // it never fails
	return 1 + uint64(binary.BigEndian.Uint32(far[:]))<<20
}

// get returns the stream and the consumer.
func (q *queue) get() (jetstream.Stream, jetstream.Consumer, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.consumer == nil {
		return nil, nil, errMissing
	}
	return q.mu.stream, q.mu.consumer, nil
}

// made is how often all was found or made.
func (q *queue) made() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.made
}

// ends notes what is known of the end. The caller has its turn (lock), so nothing is being made.
func (q *queue) ends(as end) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.end = as
}

// is reports whether that is known of the end.
func (q *queue) is(end end) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.end == end
}

var (
	// errOver says that what is missing is so for good.
	errOver = errors.New("the mirror is complete")
	// errNoted says that it is so unless GoOn is called.
	errNoted = errors.New("another has noted that the mirror is complete")
)

// restore makes what is missing in NATS, and says so where items may be lost.
func (b *Bus) restore(ctx context.Context) error {
	q := &b.queue
	before := q.made()
	unlock, err := q.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if q.made() != before {
		return nil // another did, meanwhile
	}
	if q.is(over) {
		return backoff.Permanent(errOver)
	}
	// The note is looked for again at the end: whoever writes it after that removes what is made here.
	for _, step := range []func(context.Context) error{b.lookForNote, b.makeQueue, b.makeConsumer, b.lease.make, b.look, b.lookForNote} {
		if err := briefly(ctx, step); err != nil {
			return err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.made++
	return nil
}

func (b *Bus) makeQueue(ctx context.Context) error {
	err := b.copies(func(copies int) error {
		_, err := b.js.CreateStream(ctx, b.queue.config(copies))
		return err
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("make the queue: %w", err)
	}
	return nil
}

func (b *Bus) makeConsumer(ctx context.Context) error {
	stream, err := b.js.Stream(ctx, b.queue.names.stream())
	if err != nil {
		return fmt.Errorf("find the queue: %w", err)
	}
	consumer, err := stream.CreateConsumer(ctx, b.queue.consumerConfig())
	if errors.Is(err, jetstream.ErrConsumerExists) { // with a timeout of another program's version
		consumer, err = stream.Consumer(ctx, workers)
	}
	if err != nil {
		return fmt.Errorf("make the queue's consumer: %w", err)
	}
	b.queue.mu.Lock()
	defer b.queue.mu.Unlock()
	b.queue.mu.stream, b.queue.mu.consumer = stream, consumer
	return nil
}

// copies is that of the connection.
func (b *Bus) copies(make func(int) error) error { return copies(b.conn, make) }

// copies calls make with three replicas, and with one where the servers cannot have them.
func copies(conn *nats.Conn, make func(int) error) error {
	if conn.ConnectedClusterName() == "" {
		return make(1)
	}
	err := make(replicas)
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (refused.ErrorCode == errNoPeers || refused.ErrorCode == errNoReplicas) {
		return make(1)
	}
	return err
}

// The server's numbers for too few servers, and for one that is not part of a cluster.
const (
	errNoPeers    jetstream.ErrorCode = 10005
	errNoReplicas jetstream.ErrorCode = 10074
)

// look finds whether the mark is still the one that this process knows. The caller has the
// lock.
func (b *Bus) look(ctx context.Context) error {
	q := &b.queue
	stream, _, err := q.get()
	if err != nil {
		return err
	}
	msg, err := stream.GetLastMsgForSubject(ctx, q.names.mark())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		// Of all who miss it, one is the first.
		_, err = b.js.Publish(ctx, q.names.mark(), []byte(rand.Text()), jetstream.WithExpectLastSequencePerSubject(0))
		if err == nil || conflict(err) {
			msg, err = stream.GetLastMsgForSubject(ctx, q.names.mark())
		}
	}
	if err != nil {
		return fmt.Errorf("read the queue's mark: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if mark := string(msg.Data); mark != q.mu.mark {
		if q.mu.mark != "" {
			b.o.Log.Warn().Msg("NATS has forgotten the queue; it is made again")
			b.forgot()
		}
		q.mu.mark = mark
	}
	return nil
}

// conflict reports whether something was not written as there is something newer.
func conflict(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) &&
		(refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// watch looks at the mark now and then, until the bus is closed.
func (b *Bus) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	spread := time.Now()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
		err := b.try(b.ctx, "look at the queue", func(ctx context.Context) error {
			unlock, err := b.queue.lock(ctx)
			if err != nil {
				return err
			}
			defer unlock()
			if b.queue.is(over) {
				return backoff.Permanent(errOver)
			}
			return b.look(ctx)
		})
		if err != nil || time.Since(spread) < replicasEvery {
			continue
		}
		if err := b.spread(b.ctx); err == nil {
			spread = time.Now()
		} else if b.ctx.Err() == nil {
			spread = spread.Add(4 * watchEvery)
			b.o.Log.Debug().Err(err).Msg("NATS has too few servers for copies")
		}
	}
}

// spread has what was made while servers were missing copied to those that came back.
func (b *Bus) spread(ctx context.Context) error {
	if b.conn.ConnectedClusterName() == "" {
		return nil
	}
	var errs []error
	for _, name := range []string{b.queue.names.stream(), "KV_" + b.queue.names.leaseBucket(), "KV_" + b.queue.names.claimBucket()} {
		errs = append(errs, briefly(ctx, func(ctx context.Context) error { return b.spreadStream(ctx, name) }))
	}
	return errors.Join(errs...)
}

func (b *Bus) spreadStream(ctx context.Context, name string) error {
	stream, err := b.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // most have no claims; all else is made elsewhere
	}
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	if config.Replicas >= replicas {
		return nil
	}
	config.Replicas = replicas
	_, err = b.js.UpdateStream(ctx, config)
	return err
}

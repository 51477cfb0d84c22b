package natsbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motefs/motefs/mirror/cluster"
)

const (
	// offerWindow is how many items wait at a time for NATS to have them. A single server that
	// syncs each gets no faster by more.
	offerWindow = 512
	// pullWait is how long one request for an item stands, beatEvery how often a server says that
	// it still does. A server that says nothing for two of them is given up.
	pullWait, beatEvery = 20 * time.Second, 2 * time.Second
	// doneWait is how long an acknowledgement is tried. One that is lost costs a look at the
	// object store, when the item comes again.
	doneWait = 15 * time.Second
)

// Offer offers segments to whoever pulls. Those that are queued or worked at are left out, and
// those for which there is no room.
func (b *Bus) Offer(ctx context.Context, seqs []uint64) error {
	for len(seqs) > 0 {
		window := seqs[:min(offerWindow, len(seqs))]
		seqs = seqs[len(window):]
		err := b.try(ctx, "offer segments", func(ctx context.Context) error {
			var err error
			window, err = b.offer(ctx, window)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// offer publishes items all at once, and returns those that NATS does not have then.
func (b *Bus) offer(ctx context.Context, seqs []uint64) (left []uint64, err error) {
	acks := make([]jetstream.PubAckFuture, 0, len(seqs))
	for _, seq := range seqs {
		ack, failed := b.js.PublishMsgAsync(nats.NewMsg(b.queue.names.item(seq)), jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithStallWait(onceTimeout))
		if failed != nil {
			err = failed
			break
		}
		acks = append(acks, ack)
	}
	for i, ack := range acks {
		select {
		case <-ack.Ok():
		case failed := <-ack.Err():
			if !conflict(failed) && !full(failed) {
				left, err = append(left, seqs[i]), failed
			}
		case <-ctx.Done():
			return append(left, seqs[i:]...), ctx.Err()
		}
	}
	return append(left, seqs[len(acks):]...), err
}

// OfferAgain offers segments to whoever pulls. Of one that was given out nothing is heard any more
// from who got it: the new item takes the place of the old.
func (b *Bus) OfferAgain(ctx context.Context, seqs []uint64) error {
	for _, seq := range seqs {
		if _, err := b.js.PublishMsg(ctx, nats.NewMsg(b.queue.names.item(seq))); err != nil {
			return fmt.Errorf("offer segment %d again: %w", seq, err)
		}
	}
	return nil
}

// full reports whether NATS has no room for an item.
func full(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && refused.ErrorCode == errStoreFailed
}

// errStoreFailed is the server's number where a limit of the stream is reached.
const errStoreFailed jetstream.ErrorCode = 10077

// Pull returns an item as soon as there is one.
func (b *Bus) Pull(ctx context.Context) (cluster.Item, error) {
	for {
		var got cluster.Item
		err := b.try(ctx, "pull a segment", func(context.Context) error {
			var err error
			got, err = b.pull(ctx)
			return err
		})
		if err != nil || got != nil {
			return got, err
		}
	}
}

// pull waits for an item for a while, and returns nil where there is none.
func (b *Bus) pull(ctx context.Context) (cluster.Item, error) {
	_, consumer, err := b.queue.get()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pullWait)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	batch, err := consumer.Fetch(1, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(beatEvery))
	if err != nil {
		return nil, err
	}
	for msg := range batch.Messages() {
		return b.item(ctx, msg)
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	return nil, nil
}

// item makes an item of a message.
func (b *Bus) item(ctx context.Context, msg jetstream.Msg) (cluster.Item, error) {
	seq, ok := seqOf(msg.Subject())
	meta, err := msg.Metadata()
	if !ok || err != nil {
		b.o.Log.Warn().Str("subject", msg.Subject()).Msg("a message in the queue is no item")
		return nil, msg.Term()
	}
	if ctx.Err() != nil { // whoever asked has gone
		return nil, errors.Join(ctx.Err(), msg.Nak())
	}
	return &item{b: b, msg: msg, seq: seq, tries: int(min(meta.NumDelivered, 1<<31-1))}, nil
}

// item is a cluster.Item.
type item struct {
	b     *Bus
	msg   jetstream.Msg
	seq   uint64
	tries int
}

func (i *item) Seq() uint64 { return i.seq }
func (i *item) Tries() int  { return i.tries }

// Working says that the item is being worked at.
func (i *item) Working(ctx context.Context) error {
	return i.tell(ctx, "keep a segment", func(context.Context) error { return i.msg.InProgress() })
}

// Done says that the commit of the item stands.
func (i *item) Done(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, doneWait, errUnheard)
	defer cancel()
	err := i.tell(ctx, "end a segment", i.msg.DoubleAck)
	if errors.Is(err, errUnheard) {
		i.b.o.Log.Debug().Uint64("segment", i.seq).Msg("NATS has not heard that a segment is done; it will come again")
		return nil
	}
	return err
}

// errUnheard says that NATS did not answer in time.
var errUnheard = errors.New("NATS does not answer")

// Back gives the item to another, after a while.
func (i *item) Back(ctx context.Context, after time.Duration) error {
	return i.tell(ctx, "give a segment back", func(context.Context) error { return i.msg.NakWithDelay(after) })
}

// tell tells NATS of the item until that hears it. Of what was acknowledged before there is
// nothing to tell.
func (i *item) tell(ctx context.Context, what string, once func(context.Context) error) error {
	err := i.b.try(ctx, what, func(ctx context.Context) error {
		if i.b.queue.is(noted) {
			return backoff.Permanent(errNoted)
		}
		err := once(ctx)
		if errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
			return nil
		}
		if missing(err) {
			err = fmt.Errorf("%w: %s", errUnheard, err.Error()) // the next leader may know it
		}
		if errors.Is(err, jetstream.ErrMsgNotBound) || errors.Is(err, jetstream.ErrMsgNoReply) {
			err = backoff.Permanent(err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("segment %d: %w", i.seq, err)
	}
	return nil
}

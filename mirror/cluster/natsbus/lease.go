package natsbus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// leaseKey is the key of the lease's record.
	leaseKey = "lister"
	// A lease is refreshed every fourth, and looked at by others every tenth part of LeaseTimeout; its
	// holder lets it go a tenth part before others may take it.
	refreshPart, pollPart, marginPart = 4, 10, 10
	// refreshTimeout is how long one refresh may take before it is tried again.
	refreshTimeout = 2 * time.Second
)

var (
	// ErrHeld says that this process has the lease.
	ErrHeld = errors.New("the lease is held by this process")
	// ErrLost is the cause of the end of a held lease that another may have.
	ErrLost = errors.New("the lease may be another's")
)

// record is the value of the lease's key. It is never deleted, so that its epoch grows.
type record struct {
	Holder string `json:"holder,omitempty"` // the process and an attempt; empty: nobody
	Epoch  uint64 `json:"epoch"`
	Beat   uint64 `json:"beat"` // how often it was refreshed
}

// lease is a cluster.Lease.
type lease struct {
	b       *Bus
	timeout time.Duration
	mu      struct {
		sync.Mutex
		bucket jetstream.KeyValue
		held   *holding // nil when not held
	}
}

// holding is a lease that this process has.
type holding struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed when it is refreshed no more
	record   record        // of the loop, until done
	revision uint64
}

func newLease(b *Bus) *lease { return &lease{b: b, timeout: b.o.LeaseTimeout} }

// make makes the bucket.
func (l *lease) make(ctx context.Context) error {
	name := l.b.queue.names.leaseBucket()
	err := l.b.copies(func(copies int) error {
		_, err := l.b.js.CreateStream(ctx, leaseConfig(name, copies))
		return err
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("make the lease's bucket: %w", err)
	}
	bucket, err := l.b.js.KeyValue(ctx, name)
	if err != nil {
		return fmt.Errorf("find the lease's bucket: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.bucket = bucket
	return nil
}

// leaseConfig is that of a bucket of key-value pairs whose revisions begin at random. In one that
// began at 1, as others do, a holder of the lease in a bucket that was wiped might find its
// revision again, of another's record, and write over that.
func leaseConfig(bucket string, copies int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_" + bucket, Description: "lease of a motefs mirror", Subjects: []string{"$KV." + bucket + ".>"},
		Storage: jetstream.FileStorage, Replicas: copies, FirstSeq: firstSeq(), Duplicates: time.Second,
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true,
	}
}

func (l *lease) bucket() (jetstream.KeyValue, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.bucket == nil {
		return nil, errMissing
	}
	return l.mu.bucket, nil
}

// Acquire waits until the lease is this process's.
func (l *lease) Acquire(ctx context.Context) (held context.Context, epoch uint64, err error) {
	l.mu.Lock()
	busy := l.mu.held != nil && l.mu.held.ctx.Err() == nil
	l.mu.Unlock()
	if busy {
		return nil, 0, ErrHeld
	}
	me := l.b.o.Process + "." + rand.Text()
	var seen sighting
	for {
		var h *holding
		since := time.Now() // before NATS is asked: whoever else sees the record sees it later
		err := l.b.try(ctx, "look at the lease", func(ctx context.Context) error {
			since = time.Now()
			var err error
			h, err = l.take(ctx, me, &seen)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		if h != nil && time.Since(since) < l.patience() {
			l.hold(h, since)
			return h.ctx, h.record.Epoch, nil
		}
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-time.After(l.timeout / pollPart):
		}
	}
}

// sighting is what the lease was when it was last seen to change.
type sighting struct {
	revision uint64
	at       time.Time
}

// take takes the lease if it is free, and returns nil if it is not.
func (l *lease) take(ctx context.Context, me string, seen *sighting) (*holding, error) {
	bucket, err := l.bucket()
	if err != nil {
		return nil, err
	}
	now, revision, before, err := readRecord(ctx, bucket)
	if err != nil {
		return nil, err
	}
	if revision != seen.revision {
		*seen = sighting{revision: revision, at: before}
	}
	var next record
	switch {
	case now.Holder == me:
		// It was taken and the answer lost, nobody knows how long ago: it is written again.
		next = now
		next.Beat++
	case now.Holder != "" && time.Since(seen.at) < l.timeout:
		return nil, nil
	default:
		next = record{Holder: me, Epoch: now.Epoch + 1}
	}
	revision, err = writeRecord(ctx, bucket, next, revision)
	if conflict(err) { // another was faster, or what was read is old
		*seen = sighting{}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return newHolding(next, revision), nil
}

// readRecord returns the record, its revision, and a time at which that may have been the newest.
// A revision of 0 is that of none.
func readRecord(ctx context.Context, bucket jetstream.KeyValue) (now record, revision uint64, at time.Time, err error) {
	entry, err := bucket.Get(ctx, leaseKey)
	at = time.Now()
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return record{}, 0, at, nil
	}
	if err != nil {
		return record{}, 0, at, err
	}
	if err := json.Unmarshal(entry.Value(), &now); err != nil {
		now = record{Holder: "unreadable"} // taken when it does not change
	}
	return now, entry.Revision(), at, nil
}

// writeRecord writes the record in the place of the one of a revision.
func writeRecord(ctx context.Context, bucket jetstream.KeyValue, next record, revision uint64) (uint64, error) {
	value, err := json.Marshal(next)
	if err != nil {
		return 0, err
	}
	if revision == 0 {
		return bucket.Create(ctx, leaseKey, value) // which minds a key that was deleted
	}
	return bucket.Update(ctx, leaseKey, value, revision)
}

func newHolding(r record, revision uint64) *holding {
	return &holding{record: r, revision: revision, done: make(chan struct{})}
}

// patience is for how long a record that was written is this process's.
func (l *lease) patience() time.Duration { return l.timeout - l.timeout/marginPart }

// hold keeps the lease that was written after since, until it is released or lost.
func (l *lease) hold(h *holding, since time.Time) {
	h.ctx, h.cancel = context.WithCancelCause(l.b.ctx)
	l.mu.Lock()
	l.mu.held = h
	l.mu.Unlock()
	l.b.wg.Go(func() {
		defer close(h.done)
		h.cancel(l.refresh(h, since))
	})
}

// refresh refreshes the lease until it may be another's.
func (l *lease) refresh(h *holding, since time.Time) error {
	next := since.Add(l.timeout / refreshPart)
	for {
		// The end is a timer of its own, so that a request that hangs does not stretch it.
		end := time.NewTimer(time.Until(since.Add(l.patience())))
		wait := time.NewTimer(time.Until(next))
		select {
		case <-h.ctx.Done():
		case <-end.C:
		case <-wait.C:
		}
		end.Stop()
		wait.Stop()
		if h.ctx.Err() != nil {
			return context.Cause(h.ctx)
		}
		start := time.Now()
		if start.Sub(since) >= l.patience() {
			return ErrLost
		}
		ctx, cancel := context.WithDeadline(h.ctx, earlier(start.Add(refreshTimeout), since.Add(l.patience())))
		err := l.renew(ctx, h)
		cancel()
		if errors.Is(err, ErrLost) {
			return err
		}
		if err == nil {
			since, next = start, start.Add(l.timeout/refreshPart)
		} else {
			next = time.Now().Add(l.timeout / refreshPart / 10)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// renew writes the record once more. Its error is ErrLost where another has written it.
func (l *lease) renew(ctx context.Context, h *holding) error {
	bucket, err := l.bucket()
	if err != nil {
		return err
	}
	next := h.record
	next.Beat++
	revision, err := writeRecord(ctx, bucket, next, h.revision)
	if err == nil {
		h.record, h.revision = next, revision
		return nil
	}
	if missing(err) { // the bucket was wiped, or has no leader now
		return err
	}
	if !conflict(err) {
		return err
	}
	now, revision, _, err := readRecord(ctx, bucket)
	switch {
	case err != nil:
		return err
	case now.Holder != h.record.Holder:
		return ErrLost
	case revision <= h.revision:
		return errStale
	}
	// It was this process that wrote, and the answer was lost. How long ago is not known, so it
	// is written again, on that condition.
	h.record, h.revision = now, revision
	return errStale
}

// errStale says that what was read is older than what is known.
var errStale = errors.New("an old record of the lease")

// Release gives the lease up.
func (l *lease) Release(ctx context.Context) error {
	l.mu.Lock()
	h := l.mu.held
	l.mu.held = nil
	l.mu.Unlock()
	if h == nil {
		return nil
	}
	lost := h.ctx.Err() != nil
	h.cancel(context.Canceled)
	<-h.done
	if lost {
		return nil
	}
	free := record{Epoch: h.record.Epoch, Beat: h.record.Beat + 1}
	return l.b.try(ctx, "release the lease", func(ctx context.Context) error {
		if l.b.queue.is(noted) {
			return nil // it is gone
		}
		bucket, err := l.bucket()
		if err != nil {
			return err
		}
		_, err = writeRecord(ctx, bucket, free, h.revision)
		if !conflict(err) {
			return err
		}
		// A refresh whose answer was lost may have changed it.
		now, revision, _, err := readRecord(ctx, bucket)
		if err != nil || now.Holder != h.record.Holder {
			return err
		}
		_, err = writeRecord(ctx, bucket, free, revision)
		return err
	})
}

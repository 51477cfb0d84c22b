package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// hearTime is how long reports are listened for before none counts as nobody there.
const hearTime = 2500 * time.Millisecond

// Watcher sees what a cluster does, and takes no part.
type Watcher struct {
	o     Options
	conn  *nats.Conn
	js    jetstream.JetStream
	inbox *reports
	since time.Time
}

// Mirror is what NATS knows of a mirror.
type Mirror struct {
	ID string
	// Queued are the items that wait, Working those that were given out.
	Queued, Working uint64
	// Lister is the process that has the lease, or had it when it died; empty: none.
	Lister string
	Epoch  uint64
	// Complete is the report of one who found the mirror complete, as it ended; nil: none is known.
	// NATS forgets it after a week.
	Complete []byte
	// Reports are what the processes have reported lately, by their ids.
	Reports map[string][]byte
}

// Watch returns a watcher of the options' mirror, or of all where none is named. It makes nothing
// in NATS, removes what is left of a mirror that is complete, and waits for NATS as long as ctx lasts.
func Watch(ctx context.Context, o Options) (*Watcher, error) {
	o = o.ensureDefaults()
	all := o.Mirror == ""
	if all {
		o.Mirror = "all"
	}
	if o.Process == "" {
		o.Process = "status"
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	w := &Watcher{o: o, since: time.Now()}
	pattern := subjects(o.Mirror)
	if all {
		w.o.Mirror, pattern = "", "*"
	}
	var err error
	if w.conn, w.js, err = dial(ctx, w.o); err != nil {
		return nil, err
	}
	if w.inbox, err = listen(w.conn, pattern.reports(), w.o.ReportAge); err != nil {
		w.conn.Close()
		return nil, err
	}
	return w, nil
}

// Mirrors returns what is known of the mirrors, those that are complete last. It listens for a while at first.
func (w *Watcher) Mirrors(ctx context.Context) ([]Mirror, error) {
	select {
	case <-time.After(time.Until(w.since.Add(hearTime))):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !w.conn.IsConnected() { // a request would wait for as long as ctx lasts
		return nil, errCutOff
	}
	all, err := w.mirrors(ctx)
	if err != nil && !w.conn.IsConnected() {
		err = &late{ended: err, last: errCutOff}
	}
	return all, err
}

// errCutOff is that of who only looks, while there is no connection.
var errCutOff = errors.New("not connected to NATS")

func (w *Watcher) mirrors(ctx context.Context) ([]Mirror, error) {
	if w.o.Mirror != "" {
		var all []Mirror
		m, err := w.mirror(ctx, w.o.Mirror)
		if err == nil {
			all = []Mirror{m}
		} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, err
		}
		return w.addNotes(ctx, w.o.Mirror, all)
	}
	var all []Mirror
	streams := w.js.StreamNames(ctx, jetstream.WithStreamListSubject("motefs.*.mark"))
	for name := range streams.Name() {
		id, ours := strings.CutPrefix(name, streamPrefix)
		if !ours {
			continue
		}
		m, err := w.mirror(ctx, id)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue // it went just now
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if err := streams.Err(); err != nil {
		return nil, fmt.Errorf("list mirrors in NATS: %w", err)
	}
	return w.addNotes(ctx, "", all)
}

// mirror asks for all of one.
func (w *Watcher) mirror(ctx context.Context, id string) (Mirror, error) {
	m := Mirror{ID: id, Reports: w.inbox.of(id)}
	stream, err := w.js.Stream(ctx, subjects(id).stream())
	if err != nil {
		return m, fmt.Errorf("queue of mirror %s: %w", id, err)
	}
	consumer, err := stream.Consumer(ctx, workers)
	if err == nil {
		info := consumer.CachedInfo()
		m.Working = uint64(max(0, info.NumAckPending))
		m.Queued = info.NumPending
	} else if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return m, fmt.Errorf("queue of mirror %s: %w", id, err)
	}
	bucket, err := w.js.KeyValue(ctx, subjects(id).leaseBucket())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("lease of mirror %s: %w", id, err)
	}
	lease, _, _, err := readRecord(ctx, bucket)
	if err != nil {
		return m, fmt.Errorf("lease of mirror %s: %w", id, err)
	}
	m.Epoch = lease.Epoch
	m.Lister, _, _ = strings.Cut(lease.Holder, ".")
	return m, nil
}

// Close ends it.
func (w *Watcher) Close() error {
	w.conn.Close()
	return nil
}

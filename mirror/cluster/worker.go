package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
)

// errOvertaken says that another has committed the segment that is being worked at.
var errOvertaken = errors.New("another has committed the segment")

// work works at one item after the other. Who fetches has a slot; who waits for files that
// may come later has none.
func (p *Process) work(ctx context.Context) error {
	for {
		if err := p.slots.Acquire(ctx, 1); err != nil {
			return context.Cause(ctx)
		}
		release := sync.OnceFunc(func() { p.slots.Release(1) })
		waits := int64(0)
		seq, item, err := p.next(ctx)
		if err == nil {
			err = p.process(ctx, seq, item, func(bytes int64) {
				if p.waiting.TryAcquire(bytes) { // else it keeps its slot
					waits = bytes
					release()
				}
			})
		}
		p.waiting.Release(waits)
		release()
		if err != nil {
			return err
		}
	}
}

// next waits for an item, or for a segment that is to be overtaken; then there is no item.
func (p *Process) next(ctx context.Context) (uint64, Item, error) {
	p.addIdle(1)
	defer p.addIdle(-1)
	pulling, stop := context.WithCancel(ctx)
	defer stop()
	type pulled struct {
		item Item
		err  error
	}
	came := make(chan pulled, 1)
	go func() { // next waits for it
		item, err := p.o.Bus.Pull(pulling)
		came <- pulled{item, err}
	}()
	var instead uint64
	overtakes := false
	var got pulled
	select {
	case instead = <-p.assigned:
		overtakes = true
		stop()
		got = <-came
	case got = <-came:
	}
	switch {
	case got.err == nil: // an item that came goes first; the leader says again what is slow
		return got.item.Seq(), got.item, nil
	case ctx.Err() != nil:
		return 0, nil, context.Cause(ctx)
	case overtakes:
		return instead, nil, nil
	}
	return 0, nil, got.err
}

func (p *Process) addIdle(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.idle += n
}

// overtake has an idle slot work at one of these segments too.
func (p *Process) overtake(seqs []uint64) {
	if len(seqs) == 0 {
		return
	}
	seq := seqs[rand.IntN(len(seqs))] //nolint:gosec // no secret
	p.mu.Lock()
	_, at := p.mu.working[seq]
	idle := p.mu.idle > 0
	again := time.Since(p.mu.overtook[seq]) < p.o.soon(offerEvery)
	if idle && !at && !again {
		for old, when := range p.mu.overtook {
			if time.Since(when) >= p.o.soon(offerEvery) {
				delete(p.mu.overtook, old)
			}
		}
		p.mu.overtook[seq] = time.Now()
	}
	p.mu.Unlock()
	if !idle || at || again {
		return
	}
	select {
	case p.assigned <- seq:
	default: // the slot is busy after all
	}
}

// begin notes that a segment is worked at; false: it is already.
func (p *Process) begin(seq uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, at := p.mu.working[seq]; at {
		return false
	}
	p.mu.working[seq] = work{since: time.Now()}
	return true
}

// work is what a process does at a segment.
type work struct {
	since   time.Time
	waiting bool // for files that did not come
}

// finish ends what begin noted, and says when that was.
func (p *Process) finish(seq uint64) (began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began = p.mu.working[seq].since
	delete(p.mu.working, seq)
	return began
}

// process works at a segment and tells the bus how that ended. Its error ends the process.
func (p *Process) process(ctx context.Context, seq uint64, item Item, waiting func(bytes int64)) error {
	if !p.begin(seq) {
		p.back(ctx, seq, item, p.o.soon(ItemTimeout))
		return nil
	}
	err := p.attempt(ctx, seq, item, waiting)
	began := p.finish(seq)
	switch {
	case err == nil:
		if item == nil {
			return nil
		}
		if err := item.Done(ctx); err != nil && ctx.Err() == nil {
			p.o.Log.Debug().Err(err).Uint64("segment", seq).Msg("the bus has not heard that a segment is done")
		}
		return nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	p.back(ctx, seq, item, 0)
	if ctx.Err() == nil && cache.NoRoom(err) {
		return p.awaitRoom(ctx, err, began)
	}
	return err
}

// back gives an item to another. A bus that does not hear it gives it out again by itself.
func (p *Process) back(ctx context.Context, seq uint64, item Item, after time.Duration) {
	if item == nil {
		return
	}
	leaving, cancel := p.leaving(ctx)
	defer cancel()
	if err := item.Back(leaving, after); err != nil {
		p.o.Log.Debug().Err(err).Uint64("segment", seq).Msg("the bus has not heard that a segment is given back")
	}
}

// attempt fetches a segment and commits it, and calls waiting when it waits more than it fetches, with how
// much of it is on the disk. Its error is nil where there is a commit of it then, whoever wrote it.
func (p *Process) attempt(ctx context.Context, seq uint64, item Item, waiting func(bytes int64)) error {
	done, err := p.committed(ctx, seq)
	if done || err != nil {
		return err
	}
	names, err := p.named(ctx, seq)
	if errors.Is(err, objects.ErrNotFound) {
		p.warned.Warn().Uint64("segment", seq).Uint64("so_far", p.bogus.Add(1)).Msg("NATS names a segment that is not there; it is of another mirror, or lost")
		return nil // the leader offers it if it is there after all
	}
	if err != nil {
		return err
	}
	p.o.Log.Debug().Uint64("segment", seq).Int("tries", tries(item)).Msg("a segment is fetched")
	fetching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() { // until fetching ends; attempt waits for it
		defer close(ended)
		p.watch(fetching, seq, item, cancel)
	}()
	out := &written{p: p, waiting: waiting, commit: segments.Commit{Seq: seq, Names: names.Attempt, Attempt: segments.NewAttempt(), Worker: p.o.Process}}
	out.commit.Counts, err = p.src.Fetch(fetching, names, out)
	overtaken := errors.Is(context.Cause(fetching), errOvertaken)
	cancel(nil)
	<-ended
	if overtaken {
		return p.lose(ctx, out, nil)
	}
	if err != nil {
		return p.lose(ctx, out, fmt.Errorf("segment %d: %w", seq, err))
	}
	p.hadRoom()
	out.commit.At = time.Now().Unix()
	_, err = p.reader.WriteCommit(ctx, out.commit)
	if errors.Is(err, segments.ErrLost) {
		return p.lose(ctx, out, nil)
	}
	if err == nil {
		p.hasCommitted()
	}
	return err // of another error it is not known whether the commit stands, so nothing is removed
}

// tries is how often an item was given out, 0 where a segment is overtaken.
func tries(item Item) int {
	if item == nil {
		return 0
	}
	return item.Tries()
}

// committed reports whether a segment has a commit.
func (p *Process) committed(ctx context.Context, seq uint64) (bool, error) {
	_, err := p.reader.Commit(ctx, seq)
	if errors.Is(err, objects.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// watch keeps an item, and ends the attempt where another has committed it.
func (p *Process) watch(ctx context.Context, seq uint64, item Item, end context.CancelCauseFunc) {
	tick := time.NewTicker(p.o.soon(ItemTimeout) / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.keepItem(ctx, seq, item)
		if done, err := p.committed(ctx, seq); done && err == nil {
			end(errOvertaken)
			return
		}
	}
}

// keepItem says that an item is worked at. It does not wait for a bus that is away.
func (p *Process) keepItem(ctx context.Context, seq uint64, item Item) {
	if item == nil {
		return
	}
	telling, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := item.Working(telling); err != nil && ctx.Err() == nil {
		p.o.Log.Debug().Err(err).Uint64("segment", seq).Msg("the bus has not heard that a segment is worked at")
	}
}

// lose removes what an attempt wrote that cannot be committed any more, and returns why.
func (p *Process) lose(ctx context.Context, out *written, why error) error {
	leaving, cancel := p.leaving(ctx)
	defer cancel()
	if err := p.remove(leaving, out.commit.Seq, out.commit.Attempt); err != nil {
		p.o.Log.Debug().Err(err).Uint64("segment", out.commit.Seq).Msg("the leader removes what is left of an attempt")
	}
	return why
}

// written is what an attempt has written.
type written struct {
	p       *Process
	waiting func(bytes int64)
	commit  segments.Commit
}

func (w *written) Waiting(bytes int64) {
	w.p.mu.Lock()
	at := w.p.mu.working[w.commit.Seq]
	at.waiting = true
	w.p.mu.working[w.commit.Seq] = at
	w.p.mu.Unlock()
	w.waiting(bytes)
}

func (w *written) Table(ctx context.Context, part int, body objects.Body, sum uint64, last []byte) error {
	name := segments.TableName(w.commit.Seq, w.commit.Attempt, part)
	if err := w.p.store.Put(ctx, name, body); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	for len(w.commit.Tables) <= part {
		w.commit.Tables = append(w.commit.Tables, segments.Table{})
	}
	if part == 0 { // the outcome is read whole
		last = nil
	}
	w.commit.Tables[part] = segments.Table{Size: body.Size, Sum: sum, Last: last}
	return nil
}

func (w *written) Blob(ctx context.Context, ino inode, body objects.Body) error {
	name := segments.BlobName(w.commit.Seq, w.commit.Attempt, ino)
	if err := w.p.store.Put(ctx, name, body); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

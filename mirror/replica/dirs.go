package replica

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/segments"
)

// dirsOf has the directories of a segment be here. wait is demand or share.
func (r *Replica) dirsOf(ctx context.Context, s *segment, wait waiter) error {
	if s.dirs.Load() {
		return nil
	}
	return wait(ctx, s, fmt.Sprintf("dirs/%d", s.Seq), func(ctx context.Context) error { return r.bringDirs(ctx, s) })
}

func (r *Replica) bringDirs(ctx context.Context, s *segment) error {
	if s.dirs.Load() {
		return nil
	}
	pieces := []piece{{object: segments.NamesName(s.Seq), off: s.HeadSize, size: s.DirsSize, sum: s.DirsSum}}
	err := r.roomFor(pieces)
	if err == nil {
		err = r.retry(ctx, func(ctx context.Context, p *patience) error {
			if pieces[0].size <= shortDirs {
				return r.shortDirs(ctx, p, s, pieces[0])
			}
			return r.inTurn(ctx, p, r.slots.dirs, pieces, func(files []*os.File) error { return r.ingestDirs(s, files[0]) })
		})
	}
	if err != nil {
		return fmt.Errorf("bring the directories of segment %d: %w", s.Seq, err)
	}
	s.dirs.Store(true)
	return nil
}

// shortDirs brings directories whose table is short. It waits in memory until it is ingested, and others are
// downloaded meanwhile.
func (r *Replica) shortDirs(ctx context.Context, p *patience, s *segment, from piece) error {
	if err := p.aside(func() error { return r.arrived.bytes.Acquire(ctx, from.size) }); err != nil {
		return context.Cause(ctx)
	}
	defer r.arrived.bytes.Release(from.size)
	r.underWay.Add(from.size)
	defer r.underWay.Add(-from.size)
	if err := p.aside(func() error { return r.slots.dirs.Acquire(ctx, 1) }); err != nil {
		return context.Cause(ctx)
	}
	table := bytes.NewBuffer(make([]byte, 0, from.size))
	err := r.getTo(ctx, p, from, table)
	r.slots.dirs.Release(1)
	if err != nil {
		return err
	}
	return p.aside(func() error { return r.ingestDirs(s, bytes.NewReader(table.Bytes())) })
}

// arrivedDirs gathers the directories that have come while others are ingested. All of them are
// ingested together then: one after the other took longer than their downloads.
type arrivedDirs struct {
	turn  sync.Mutex          // who has it ingests
	bytes *semaphore.Weighted // of short tables, arrivedBytes
	mu    struct {
		sync.Mutex
		waiting []*arrival
	}
}

// arrival is a table of directories that has come. What became of it is known to who has the turn.
type arrival struct {
	table cache.SegmentDirs
	done  bool
	err   error
}

// take returns what waits.
func (a *arrivedDirs) take() []*arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.mu.waiting
	a.mu.waiting = nil
	return all
}

// ingestDirs brings a segment's directories into the local store, with all that wait for it.
func (r *Replica) ingestDirs(s *segment, table io.ReaderAt) error {
	mine := &arrival{table: cache.SegmentDirs{Table: cache.Table{ReaderAt: table, Size: s.DirsSize, Sum: s.DirsSum}, Counts: s.Part}}
	a := &r.arrived
	a.mu.Lock()
	a.mu.waiting = append(a.mu.waiting, mine)
	a.mu.Unlock()
	a.turn.Lock()
	defer a.turn.Unlock()
	if !mine.done {
		r.ingestArrived(a.take())
	}
	return mine.err
}

// ingestArrived ingests all that can be.
func (r *Replica) ingestArrived(all []*arrival) {
	tables := make([]cache.SegmentDirs, len(all))
	for k, one := range all {
		tables[k], one.done = one.table, true
	}
	err := r.store.IngestDirs(r.ctx, tables...)
	if half := len(all) / 2; err != nil && half > 0 { // one of them may be at fault
		r.ingestArrived(all[:half])
		r.ingestArrived(all[half:])
		return
	}
	for _, one := range all {
		one.err = local(err)
	}
}

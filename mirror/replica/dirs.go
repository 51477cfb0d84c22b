package replica

import (
	"context"
	"fmt"
	"os"
	"sync"

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
			return r.inTurn(ctx, p, r.slots.dirs, pieces, func(files []*os.File) error { return r.ingestDirs(s, files[0]) })
		})
	}
	if err != nil {
		return fmt.Errorf("bring the directories of segment %d: %w", s.Seq, err)
	}
	s.dirs.Store(true)
	return nil
}

// arrivedDirs gathers the directories that have come while others are ingested. All of them are
// ingested together then: one after the other took longer than their downloads.
type arrivedDirs struct {
	turn sync.Mutex // who has it ingests
	mu   struct {
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

// ingestDirs brings a segment's directories into the local store, with all that wait for it: at most
// as many as are downloaded at a time.
func (r *Replica) ingestDirs(s *segment, file *os.File) error {
	mine := &arrival{table: cache.SegmentDirs{Table: cache.Table{ReaderAt: file, Size: s.DirsSize, Sum: s.DirsSum}, Counts: s.Part}}
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

func (r *Replica) ingestArrived(all []*arrival) {
	tables := make([]cache.SegmentDirs, len(all))
	for k, one := range all {
		tables[k], one.done = one.table, true
	}
	err := r.store.IngestDirs(r.ctx, tables...)
	for k, one := range all {
		if one.err = local(err); err != nil && len(all) > 1 { // it may be that of another
			one.err = local(r.store.IngestDirs(r.ctx, tables[k]))
		}
	}
}

package replica

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/cache"
)

// space is what the local store's bound is kept by.
type space struct {
	// now counts ticks, from 1 on.
	now atomic.Uint64
	// making holds a token while somebody makes room.
	making chan struct{}
	// dropAgain is the tick from which on blobs that the disk has not removed are looked for again,
	// which is a walk over all that are here. Who makes room has it.
	dropAgain uint64
}

// roomLeft is which part of the bound is free after segments were taken back, so that it is not
// one at a time: giving back their room is done once for all.
const roomLeft = 10 // a tenth

// touch notes that something of a segment was read.
func (r *Replica) touch(ino cache.Inode) {
	if s := r.catalog.Load().of(ino); s != nil {
		if now := r.space.now.Load(); s.used.Load() != now {
			s.used.Store(now)
		}
	}
}

// byUse returns the segments that take room, those first that were not read for the longest time.
func (r *Replica) byUse() []*segment {
	type used struct {
		*segment
		at uint64
	}
	var found []used
	for _, s := range r.catalog.Load().segs {
		if s.local() > 0 {
			found = append(found, used{s, s.used.Load()})
		}
	}
	slices.SortStableFunc(found, func(a, b used) int { return cmp.Compare(a.at, b.at) })
	segs := make([]*segment, len(found))
	for k := range found {
		segs[k] = found[k].segment
	}
	return segs
}

// taken is how much room contents and blobs take, in bytes.
func (r *Replica) taken() (n int64) {
	for _, s := range r.catalog.Load().segs {
		n += s.local()
	}
	return n
}

// fits reports whether a segment's contents may be brought without taking others back.
func (r *Replica) fits(s *segment) bool {
	return r.bound.Load() == 0 || r.taken()+s.size(false)-s.size(true) <= r.bound.Load()-r.bound.Load()/roomLeft
}

// keepSpace counts ticks, and takes back what is over the bound.
func (r *Replica) keepSpace(ctx context.Context) {
	every := time.NewTicker(tick)
	defer every.Stop()
	for {
		if err := r.makeRoom(ctx); err != nil && ctx.Err() == nil {
			r.sampled.Warn().Err(err).Msg("the local store may be over its bound: it is tried again")
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		r.space.now.Add(1)
	}
}

// makeRoom takes back the segments that were not read for the longest time, where the local store
// is over its bound. What came a moment ago stays, and one segment in any case.
func (r *Replica) makeRoom(ctx context.Context) error {
	select {
	case r.space.making <- struct{}{}:
		defer func() { <-r.space.making }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	errs := []error{r.countBlobs(ctx)}
	if r.bound.Load() == 0 {
		return errs[0]
	}
	over := r.taken() - r.bound.Load()
	if over <= 0 {
		return errs[0]
	}
	over += r.bound.Load() / roomLeft
	candidates := r.byUse()
	var gone []*segment
	left := map[*segment]bool{}
	for _, s := range candidates[:max(0, len(candidates)-1)] {
		if over <= 0 || ctx.Err() != nil {
			break
		}
		if s.brought.Load()+restTicks > r.space.now.Load() {
			continue
		}
		tables, all := s.size(true), s.local()
		if err := r.takeBack(ctx, s); err != nil {
			errs = append(errs, err)
		}
		if s.size(true) < tables {
			gone = append(gone, s)
		}
		over -= all - s.local()
		if s.size(true) == 0 && s.local() > 0 {
			over -= s.local()
			left[s] = true
		}
	}
	if now := r.space.now.Load(); len(left) > 0 && now >= r.space.dropAgain {
		err := r.dropLeft(ctx, left)
		if err != nil {
			r.space.dropAgain = now + dropTicks
		}
		errs = append(errs, err)
	}
	if len(gone) > 0 {
		errs = append(errs, r.giveBack(ctx, gone))
	}
	return errors.Join(errs...)
}

// takeBack has a segment's contents and blobs be not here any more, but for what is being
// brought, and blobs that the disk does not remove.
func (r *Replica) takeBack(ctx context.Context, s *segment) error {
	before := s.size(true)
	defer func() {
		if s.size(true) < before {
			r.counts.taken.Add(1)
		}
	}()
	for k := 1; k < len(s.parts); k++ {
		if !s.parts[k].Load() {
			continue
		}
		if err := r.share(ctx, s, s.key(k), func(ctx context.Context) error {
			if s.brought.Load()+restTicks > r.space.now.Load() {
				return nil
			}
			// First: who finds a file pending whose table is here takes it for failed.
			s.parts[k].Store(false)
			return r.dropPart(ctx, s, k)
		}); err != nil {
			return err
		}
	}
	return nil
}

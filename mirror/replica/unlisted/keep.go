package unlisted

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
)

const (
	// DefaultBytes is Options.Bytes where that is 0.
	DefaultBytes = 1 << 30
	// perFile is what a file takes of Options.Bytes beside its content.
	perFile = 256
	// room is which part of the bound is made free at a time.
	room = 8 // an eighth

	// keepEvery is how often the bound is looked at.
	keepEvery = 2 * time.Second
	// restTicks is for how many looks a file stays in any case that was asked for or read, of
	// maxRecent of them: who reads it comes to its end.
	restTicks, maxRecent = 5, 4096
	// passTicks is after how many looks it is looked which files of before the mirror has by now.
	passTicks = 300
)

// keeper keeps the side store within its bound, and removes what nobody can have open any more.
type keeper struct {
	f *Files
	// hand is the number from which on files are removed next.
	hand  cache.Inode
	ticks uint64
}

// recent are the files that were asked for or read a moment ago: by their numbers, when.
type recent struct {
	// before is the first number that this process may have given out.
	before cache.Inode

	mu   sync.Mutex
	now  uint64 // in ticks
	used map[cache.Inode]uint64
	// old are the files of before that this process has shown, maxRecent of them: somebody may have
	// them open. many says that there are more.
	old  map[cache.Inode]struct{}
	many bool
}

func (r *recent) touch(side cache.Inode) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.used[side]; there || len(r.used) < maxRecent {
		r.used[side] = r.now
	}
	if side >= r.before {
		return
	}
	if _, there := r.old[side]; !there && len(r.old) == maxRecent {
		r.many = true
	} else {
		r.old[side] = struct{}{}
	}
}

// nobodys reports whether nobody can have a file open, as it is of before and this process has not shown it.
func (r *recent) nobodys(side cache.Inode) bool {
	if side >= r.before {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, shown := r.old[side]
	return !shown && !r.many
}

func (r *recent) has(side cache.Inode) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, there := r.used[side]
	return there
}

// tick forgets what has rested.
func (r *recent) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now++
	maps.DeleteFunc(r.used, func(_ cache.Inode, at uint64) bool { return at+restTicks <= r.now })
}

func (k *keeper) run(ctx context.Context) {
	every := time.NewTicker(keepEvery)
	defer every.Stop()
	for {
		if err := k.tick(ctx); err != nil && ctx.Err() == nil {
			k.f.o.Store.Log.Warn().Err(err).Msg("files that no segment has may take more than their bound: it is tried again")
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

func (k *keeper) tick(ctx context.Context) (err error) {
	k.f.recent.tick()
	err = k.bound(ctx)
	if k.ticks%passTicks == 0 {
		err = errors.Join(err, k.pass(ctx))
	}
	k.ticks++
	return err
}

// used is how much of the bound is taken, in bytes.
func (f *Files) used() int64 {
	u := f.store.Usage()
	return int64(u.Bytes + u.Files*perFile)
}

// bound removes files, those asked for first in front, where they take more than the bound. What
// was asked for or read a moment ago stays in any case.
func (k *keeper) bound(ctx context.Context) (err error) {
	f := k.f
	if f.used() <= f.o.Bytes {
		return nil
	}
	target := f.o.Bytes - f.o.Bytes/room
	for turns := 0; f.used() > target && turns < 2; { // from the hand to the end, and once around
		k.hand, _, err = f.store.Discard(ctx, k.hand, f.used()-target, perFile, func(e *cache.Entry) bool {
			return !f.recent.has(e.Inode)
		})
		if err != nil {
			return err
		}
		if k.hand == 0 {
			turns++
		}
	}
	return nil
}

// pass removes the files that were here before this process began and that it has not shown, and that the
// mirror has by now, or has not and never will.
func (k *keeper) pass(ctx context.Context) error {
	f := k.f
	if f.store.Usage().Files == 0 {
		return nil
	}
	var failed error
	_, _, err := f.store.Discard(ctx, 0, 1<<62, 0, func(e *cache.Entry) bool {
		if !f.recent.nobodys(e.Inode) || failed != nil {
			return false
		}
		has, err := f.mirrorHas(e.Inode)
		failed = err
		return has
	})
	return errors.Join(failed, err)
}

// mirrorHas reports whether the mirror says what a name is, by which a file of the side store is not shown
// any more.
func (f *Files) mirrorHas(side cache.Inode) (bool, error) {
	if f.o.Tree.ListingComplete() {
		return true, nil
	}
	origin, err := f.store.NameOf(side)
	if err != nil {
		return false, err
	}
	parent, name, err := f.where(origin)
	if err == nil {
		_, err = f.o.Tree.Lookup(parent, name)
	}
	if errors.Is(err, cache.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/motefs/motefs/cache"
)

// lacking is what is not here of segments and may have what a reader looks for: the first of those
// that there are.
type lacking struct {
	dirs  []*segment // their directories, at most room
	names []*segment // their files, at most downloads
	// room is as many as there are before the first, as that is how far a reader has come by now: from
	// dirDownloads to mostDirs. So who wants the first alone waits for few.
	room int
	// limit is the lowest number that an entry among them may have.
	limit cache.Inode
}

func (l *lacking) none() bool { return len(l.dirs)+len(l.names) == 0 }

// add notes what a segment may have that is not here, with how many before it; false: there is no room for
// more.
func (l *lacking) add(s *segment, before int, mayHave func(kind cache.Kind) bool) bool {
	dirs := !s.dirs.Load() && mayHave(cache.Dir)
	names := !s.names.Load() && mayHave(cache.File)
	if dirs || names {
		l.limit = min(l.limit, s.Part.First)
	}
	if dirs && len(l.dirs) == 0 {
		l.room = min(max(before, dirDownloads), mostDirs)
	}
	if dirs {
		l.dirs = append(l.dirs, s)
	}
	if names && len(l.names) < downloads {
		l.names = append(l.names, s)
	}
	return len(l.dirs) < max(l.room, 1) && (len(l.dirs) > 0 || len(l.names) < downloads)
}

// bring brings directories for a reader, or, where none are lacking, names: what is looked for may
// be a directory, and these come soon. It is an error where nothing came: else what is looked for may
// have come.
func (r *Replica) bring(ctx context.Context, l *lacking) error {
	all, of := l.dirs, r.dirsOf
	if len(all) == 0 {
		all, of = l.names, r.namesOf
	}
	var group errgroup.Group
	var some atomic.Bool
	for _, s := range all {
		group.Go(func() error {
			err := of(ctx, s, r.demand)
			if err == nil {
				some.Store(true)
			}
			return err
		})
	}
	if err := group.Wait(); !some.Load() || ctx.Err() != nil {
		return err
	}
	return nil
}

// find brings names until an entry is found, or no segment is left that may have it: then
// the error is cache.ErrNotFound.
func (r *Replica) find(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	e, err := r.store.Lookup(parent, name)
	for errors.Is(err, cache.ErrNotFound) {
		// Asked before the store: what comes in between is found, or missing the next time.
		l, bad := r.mayHave(parent, name)
		if bad != nil {
			return cache.Entry{}, bad
		}
		if e, err = r.store.Lookup(parent, name); !errors.Is(err, cache.ErrNotFound) || l.none() {
			break
		}
		// In order: of a directory the first of them has the entry.
		if err := r.bring(ctx, &l); err != nil {
			return cache.Entry{}, err
		}
	}
	return e, err
}

// mayHave returns what is not here and of which the bounds do not say that it lacks the entry.
func (r *Replica) mayHave(parent cache.Inode, name string) (l lacking, err error) {
	l.limit = math.MaxUint64
	if r.lacking.Load() == 0 {
		return l, nil
	}
	origin, err := r.store.OriginName(parent, name)
	if err != nil && !errors.Is(err, cache.ErrName) {
		return l, err
	}
	known := err == nil
	for k, s := range r.catalog.Load().segs {
		if !l.add(s, k, func(kind cache.Kind) bool { return s.Part.MayHave(kind, parent, name, origin, known) }) {
			break
		}
	}
	return l, nil
}

// Ready has the names of a directory be here that come next after the number after: some of them,
// or all where there are none. It is for who is about to read the directory.
func (r *Replica) Ready(ctx context.Context, dir, after cache.Inode) error {
	for {
		l, err := r.lackingIn(dir, after, false)
		if err != nil || l.none() {
			return err
		}
		found := false
		if err := r.store.ReadDir(dir, after, func(d cache.DirEntry) bool {
			found = d.Inode < l.limit
			return false
		}); err != nil {
			return err
		}
		if found {
			return nil
		}
		// Those behind the first are for what is read next.
		if err := r.bring(ctx, &l); err != nil {
			return err
		}
	}
}

// lackingIn returns what is not here and may have names of dir after the number after; of the first
// segment alone, where nothing but the limit is asked for.
func (r *Replica) lackingIn(dir, after cache.Inode, limit bool) (l lacking, err error) {
	l.limit = math.MaxUint64
	c := r.catalog.Load()
	if r.lacking.Load() == 0 || c.whole.has(dir, after) {
		return l, nil
	}
	prefix, known := "", true
	if dir != cache.RootInode {
		name, err := r.store.NameOf(dir)
		if err != nil && !errors.Is(err, cache.ErrName) {
			return l, err
		}
		prefix, known = name+"/", err == nil
	}
	first := c.after(after)
	for k, s := range c.segs[first:] {
		more := l.add(s, first+k, func(kind cache.Kind) bool { return s.Part.MayHaveIn(kind, dir, prefix, known) })
		if !more || limit && !l.none() {
			return l, nil
		}
	}
	if l.none() {
		c.whole.add(dir, after)
	}
	return l, nil
}

// limit is the lowest number after after that an entry of dir may have that is not here. What comes
// after it is not handed out yet: a reader that goes on behind it would never see those before.
func (r *Replica) limit(dir, after cache.Inode) (cache.Inode, error) {
	l, err := r.lackingIn(dir, after, true)
	return l.limit, err
}

// Names is the replica as a mount reads its names: what is here, and of directories no name
// that comes after one that is not here yet; see Ready.
type Names struct {
	*cache.Store
	r *Replica
}

// Names returns what a mount reads.
func (r *Replica) Names() *Names { return &Names{Store: r.store, r: r} }

// Lookup is that of fs.Store. A file of which it is not known here yet what became of it is none.
func (n *Names) Lookup(parent cache.Inode, name string) (cache.Entry, error) {
	whole := n.r.lacking.Load() == 0
	e, err := n.Store.Lookup(parent, name)
	if err == nil && !whole && e.Kind == cache.File && e.State == cache.Pending {
		if s := n.r.catalog.Load().of(e.Inode); s == nil || !s.names.Load() {
			return cache.Entry{}, fmt.Errorf("what became of inode %d is not here: %w", e.Inode, cache.ErrNotFound)
		}
		e, err = n.Store.Lookup(parent, name) // it may have come in between
	}
	if err == nil && e.Kind == cache.File {
		n.r.touch(e.Inode)
	}
	return e, err
}

// Get is that of fs.Store. A blob that is not here is a file that is only listed.
func (n *Names) Get(ino cache.Inode) (cache.Entry, error) {
	e, err := n.Store.Get(ino)
	if err != nil || e.State != cache.Blob {
		return e, err
	}
	here, err := n.r.store.HasBlob(ino)
	if err == nil && !here {
		e.State = cache.Pending
		if e.ModTime == 0 {
			e.ModTime = e.Fetched // which is what is shown of it
		}
	}
	return e, err
}

// ReadAt is that of fs.Store.
func (n *Names) ReadAt(ino cache.Inode, p []byte, off int64) (int, error) {
	got, err := n.Store.ReadAt(ino, p, off)
	switch {
	case err == nil:
		n.r.touch(ino)
	case blobMissing(err):
		err = fmt.Errorf("%w: the content of inode %d is not here: %w", cache.ErrNotFound, ino, err)
	}
	return got, err
}

// ReadDir is that of fs.Store.
func (n *Names) ReadDir(dir, after cache.Inode, fn func(cache.DirEntry) bool) error {
	return n.upTo(dir, after, func(may func(cache.Inode) bool) error {
		return n.Store.ReadDir(dir, after, func(d cache.DirEntry) bool { return may(d.Inode) && fn(d) })
	})
}

// ReadDirPlus is that of fs.Store.
func (n *Names) ReadDirPlus(dir, after cache.Inode, fn func(cache.DirEntry, cache.Entry, error) bool) error {
	return n.upTo(dir, after, func(may func(cache.Inode) bool) error {
		return n.Store.ReadDirPlus(dir, after, func(d cache.DirEntry, e cache.Entry, err error) bool {
			return may(d.Inode) && fn(d, e, err)
		})
	})
}

// upTo reads entries of a directory up to limit. Where a segment was sealed since Ready that comes
// before all that is here, nothing may be handed out, which would look like the directory's
// end: the error is cache.ErrNotReady then.
func (n *Names) upTo(dir, after cache.Inode, read func(may func(cache.Inode) bool) error) error {
	limit, err := n.r.limit(dir, after)
	if err != nil {
		return err
	}
	some, cut := false, false
	err = read(func(ino cache.Inode) bool {
		cut = ino >= limit
		some = some || !cut
		return !cut
	})
	if err == nil && cut && !some {
		err = fmt.Errorf("directory %d after %d: %w", dir, after, cache.ErrNotReady)
	}
	return err
}

// ListingComplete reports whether every name of the mirror is here.
func (n *Names) ListingComplete() bool { return n.r.lacking.Load() == 0 && n.Store.ListingComplete() }

// Changes is that of fs.Store. What became of a file comes with its name, so no name comes or
// goes once all are here.
func (n *Names) Changes() (changes uint64, final bool) {
	changes, _ = n.Store.Changes()
	return changes, n.ListingComplete()
}

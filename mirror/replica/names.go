package replica

import (
	"context"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sync/errgroup"

	"github.com/motefs/motefs/cache"
)

// find brings names until an entry is found, or no segment is left that may have it: then
// the error is cache.ErrNotFound.
func (r *Replica) find(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	for {
		// Asked before the store: what comes in between is found, or missing the next time.
		missing, err := r.mayHave(parent, name)
		if err != nil {
			return cache.Entry{}, err
		}
		e, err := r.store.Lookup(parent, name)
		if !errors.Is(err, cache.ErrNotFound) || len(missing) == 0 {
			return e, err
		}
		// In order: of a directory the first of them has the entry.
		if err := r.namesOfAll(ctx, missing); err != nil {
			return cache.Entry{}, err
		}
	}
}

// mayHave returns the segments whose names are not here, and of which the bounds do not say
// that they lack the entry, at most downloads of them.
func (r *Replica) mayHave(parent cache.Inode, name string) ([]*segment, error) {
	if r.lacking.Load() == 0 {
		return nil, nil
	}
	origin, err := r.store.OriginName(parent, name)
	if err != nil && !errors.Is(err, cache.ErrName) {
		return nil, err
	}
	known := err == nil
	var found []*segment
	for _, s := range r.catalog.Load().segs {
		if !s.names.Load() && s.Part.MayHave(parent, name, origin, known) {
			if found = append(found, s); len(found) == downloads {
				break
			}
		}
	}
	return found, nil
}

// namesOfAll brings the names of segments for a reader.
func (r *Replica) namesOfAll(ctx context.Context, all []*segment) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range all {
		group.Go(func() error { return r.namesOf(ctx, s, r.demand) })
	}
	return group.Wait()
}

// Ready has the names of a directory be here that come next after the number after: some of them,
// or all where there are none. It is for who is about to read the directory.
func (r *Replica) Ready(ctx context.Context, dir, after cache.Inode) error {
	for {
		missing, err := r.missingIn(dir, after, downloads)
		if err != nil || len(missing) == 0 {
			return err
		}
		limit := missing[0].Part.First
		found := false
		if err := r.store.ReadDir(dir, after, func(d cache.DirEntry) bool {
			found = d.Inode < limit
			return false
		}); err != nil {
			return err
		}
		if found {
			return nil
		}
		// Those behind the first are for what is read next.
		if err := r.namesOfAll(ctx, missing); err != nil {
			return err
		}
	}
}

// missingIn returns the first segments, at most that many, that may have names of dir after the
// number after, and whose names are not here.
func (r *Replica) missingIn(dir, after cache.Inode, most int) ([]*segment, error) {
	if r.lacking.Load() == 0 {
		return nil, nil
	}
	prefix, known := "", true
	if dir != cache.RootInode {
		name, err := r.store.NameOf(dir)
		if err != nil && !errors.Is(err, cache.ErrName) {
			return nil, err
		}
		prefix, known = name+"/", err == nil
	}
	c := r.catalog.Load()
	var found []*segment
	for _, s := range c.segs[c.after(after):] {
		if !s.names.Load() && s.Part.MayHaveIn(dir, prefix, known) {
			if found = append(found, s); len(found) == most {
				break
			}
		}
	}
	return found, nil
}

// limit is the lowest number after after that an entry of dir may have whose names are not
// here. What comes after it is not handed out yet: a reader that goes on behind it
// would never see those before.
func (r *Replica) limit(dir, after cache.Inode) (cache.Inode, error) {
	missing, err := r.missingIn(dir, after, 1)
	if err != nil || len(missing) == 0 {
		return math.MaxUint64, err
	}
	return missing[0].Part.First, nil
}

// Names is the replica as a mount reads its names: what is here, and of directories no name
// that comes after one that is not here yet; see Ready.
type Names struct {
	*cache.Store
	r *Replica
}

// Names returns what a mount reads.
func (r *Replica) Names() *Names { return &Names{Store: r.store, r: r} }

// Lookup is that of fs.Store.
func (n *Names) Lookup(parent cache.Inode, name string) (cache.Entry, error) {
	e, err := n.Store.Lookup(parent, name)
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
	here, err := n.r.blobHere(ino)
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
// end: then that segment is brought first.
func (n *Names) upTo(dir, after cache.Inode, read func(may func(cache.Inode) bool) error) error {
	for {
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
		if err != nil || some || !cut {
			return err
		}
		ctx, cancel := context.WithTimeout(n.r.ctx, n.r.opts.Patience)
		err = n.r.Ready(ctx, dir, after)
		cancel()
		if err != nil {
			return err
		}
	}
}

// ListingComplete reports whether every name of the mirror is here.
func (n *Names) ListingComplete() bool { return n.r.lacking.Load() == 0 && n.Store.ListingComplete() }

// Changes is that of fs.Store. What became of a file comes with its name, so no name comes or
// goes once all are here.
func (n *Names) Changes() (changes uint64, final bool) {
	changes, _ = n.Store.Changes()
	return changes, n.ListingComplete()
}

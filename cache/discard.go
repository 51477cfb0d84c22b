package cache

import (
	"context"
	"errors"
	"fmt"
)

// Discard removes files that readers asked for, with their names and what is here of them, as if nobody had asked:
// of those with numbers from from on, in their order, each that want returns true for, until they took bytes
// together, each as many as it is long and beside. It returns the number to go on from, 0 where it came to the
// end, and how many bytes they took. want may be called twice for a file, the second time before anything else is
// committed: it may read the store. Who asks for one again gives it a new number, and the old one is
// ErrNotFound. It is for a store that no listing fills. A crash leaves each removed or there.
func (s *Store) Discard(ctx context.Context, from Inode, bytes, beside int64, want func(*Entry) bool) (next Inode, freed int64, err error) {
	if p := s.progress.Load(); p.Marker != "" || p.ListingComplete || p.Settled > FirstInode || s.format.segments() {
		return 0, 0, errors.New("only what readers asked for can be discarded")
	}
	for next = from; freed < bytes; {
		var page []asked
		if page, next, err = s.askedFrom(ctx, next, bytes-freed, beside, want); err != nil {
			return 0, freed, err
		}
		n, err := s.discard(ctx, page, beside, want)
		if freed += n; err != nil {
			return 0, freed, err
		}
		if next == 0 {
			break
		}
	}
	return next, freed, nil
}

// asked is a file that a reader asked for.
type asked struct {
	key      []byte
	ino, run Inode // run is where its run begins
}

// discardMost is how many files are removed by one commit, each of which is synced.
const discardMost = 4096

// askedFrom finds what is to be discarded next.
func (s *Store) askedFrom(ctx context.Context, from Inode, bytes, beside int64, want func(*Entry) bool) (page []asked, next Inode, err error) {
	for r, err := range s.eachRun(from, Inode(s.numbers.next.Load())) {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, 0, err
		}
		if r.kind == Dir || r.first < from {
			continue
		}
		if len(page) == discardMost || bytes <= 0 {
			return page, r.first, nil
		}
		var inner error
		err := r.each(0, func(k int, name []byte) bool {
			e, err := s.Lookup(r.parent, string(name))
			if errors.Is(err, ErrNotFound) {
				return true
			}
			if inner = err; err == nil && e.Inode == r.first+Inode(k) && e.Here() && want(&e) {
				page, bytes = append(page, asked{EntryKey(r.parent, string(name)), e.Inode, r.first}), bytes-e.Size-beside
			}
			return inner == nil
		})
		if err = errors.Join(err, inner); err != nil {
			return nil, 0, err
		}
	}
	return page, 0, nil
}

// discard removes files that are still what they were, and wanted.
func (s *Store) discard(ctx context.Context, page []asked, beside int64, want func(*Entry) bool) (freed int64, err error) {
	if len(page) == 0 {
		return 0, nil
	}
	freed, err = s.unask(page, beside, want)
	if err != nil {
		return 0, fmt.Errorf("discard files: %w", err)
	}
	// Blob files go once nothing on the disk names them.
	if err := s.Flush(ctx); err != nil {
		return freed, err
	}
	return freed, s.sweep(ctx)
}

func (s *Store) unask(page []asked, beside int64, want func(*Entry) bool) (freed int64, err error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	batch := s.db.NewBatch()
	defer batch.Close()
	next, edits := s.commit.progress, runEdits{}
	all := next.Files == next.Asked // also those of which a repair has lost the mark
	var gone []Inode
	for _, a := range page {
		e, err := s.lookupKey(a.key)
		if errors.Is(err, ErrNotFound) || err == nil && (e.Inode != a.ino || !e.Here() || !want(&e)) {
			continue
		}
		var value string
		if err == nil {
			value, err = s.getString(appendRunIndexKey(nil, a.run))
		}
		if err != nil {
			return 0, err
		}
		if index, err := decodeRunIndex([]byte(value)); err != nil {
			return 0, err
		} else if index.mark != markAsked && !all {
			return 0, fmt.Errorf("inode %d was not asked for", a.ino)
		}
		if e.State == Blob { // its file goes with it, also after a crash; see sweep
			err = batch.Set(appendAsideKey(nil, a.ino), appendEntryHead(nil, &e), nil)
		}
		if err = errors.Join(err, batch.Delete(a.key, nil)); err != nil {
			return 0, err
		}
		edits.set(a.ino, "")
		gone = append(gone, a.ino)
		freed += e.Size + beside
		next.Files--
		next.Asked -= min(next.Asked, 1)
		next.Fetched--
		next.Bytes -= uint64(e.Size)
	}
	if err := edits.write(s, batch); err != nil {
		return 0, err
	}
	if err := s.applyLocked(batch, next); err != nil {
		return 0, err
	}
	s.commit.updates++
	edits.forget(s)
	for _, ino := range gone {
		s.entries.remove(ino)
	}
	return freed, nil
}

package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// mender puts right what contradicts itself in a store of which some keys are lost.
// Entries and runs have the same names, so that either comes back from the other; where
// both may be lost, the origin is to be listed again. It goes over the store a few times,
// in constant memory, and does nothing the second time.
type mender struct {
	s     *Store
	ctx   context.Context
	r     *repairer
	batch *pebble.Batch
	// numbers are those of runs, and then without those of entries.
	numbers blobTally
	runs    uint64
	top     Inode // the lowest number above all that were met
	group   []found
	// isDir is the last answer to directory.
	isDir struct {
		dir Inode
		ok  bool
	}
}

// found is an entry whose name is in no run.
type found struct {
	parent, inode Inode
	kind          Kind
	name          string
}

// lostNumbers is more numbers than a store gives out, to be left out where it is not
// known which were.
const lostNumbers = 1 << 40

func (m *mender) mend() error {
	for _, step := range []func() error{m.refresh, m.names, m.entries, m.rehouse, m.match, m.failures, m.index, m.count} {
		if err := errors.Join(step(), m.apply()); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether keys of a kind are lost.
func (m *mender) has(kind byte) bool { return strings.IndexByte(m.r.format.Repairing, kind) >= 0 }

// loseNames says that names may be lost that neither an entry nor a run has.
func (m *mender) loseNames() error { return m.r.lost(string([]byte{keyEntry, keyRun})) }

// drop says that a record is lost that does not make sense.
func (m *mender) drop(key []byte, format string, args ...any) error {
	m.r.problem(format, args...)
	m.r.done.Dropped++
	return m.batch.Delete(key, nil)
}

func (m *mender) apply() error {
	if m.batch.Empty() {
		return m.ctx.Err()
	}
	err := errors.Join(m.s.db.Apply(m.batch, pebble.NoSync), m.batch.Close(), m.ctx.Err())
	m.batch = m.s.db.NewBatch()
	return err
}

// walk calls fn for every key that begins with letter, as it was at the beginning.
func (m *mender) walk(letter byte, fn func(key, value []byte) error) error {
	return errors.Join(eachKey(m.s.db, letter, "repair", func(key, value []byte) error {
		err := fn(key, value)
		if err == nil && m.batch.Len() > bulkBatch {
			err = m.apply()
		}
		return err
	}), m.ctx.Err())
}

// refresh has the next refresh begin anew, and forgets what was set aside. The blob files
// of that stay, to be reclaimed: an entry that came up again may name them.
func (m *mender) refresh() error {
	drop := func(key, _ []byte) error { return m.batch.Delete(slices.Clone(key), nil) }
	return errors.Join(m.batch.Delete(metaRefresh, nil), m.walk(keySeen, drop), m.walk(keyAside, drop), m.walk(keyTag, drop))
}

// names drops the runs that do not decode, and gives each of the others its index.
func (m *mender) names() error {
	return m.walk(keyRun, func(key, value []byte) error {
		parent, first, ok := splitRunKey(key)
		r, err := decodeRun(value)
		if ok && err == nil {
			err = r.each(0, func(k int, _ []byte) bool {
				m.numbers.toggle(uint64(first) + uint64(k))
				return true
			})
		}
		if !ok || err != nil || first < FirstInode {
			return errors.Join(m.r.lost(string(keyRun)), m.drop(slices.Clone(key), "run %x: %v", key, errors.Join(err, ErrCorrupt)))
		}
		m.runs++
		m.top = max(m.top, first+Inode(r.n))
		old, err := m.r.getOld(m.s, appendRunIndexKey(nil, first))
		if err != nil {
			return err
		}
		if index, bad := decodeRunIndex(old); bad != nil || index.parent != parent {
			m.r.problem("run %d of directory %d had no index", first, parent)
			err = m.batch.Set(appendRunIndexKey(nil, first), appendRunIndex(nil, newRunIndex(parent, r.kind)), nil)
		}
		return err
	})
}

// entries drops those that do not decode, and takes those back to pending whose blob
// is damaged.
func (m *mender) entries() error {
	return m.walk(keyEntry, func(key, value []byte) error {
		parent, name, ok := splitEntryKey(key)
		e, err := decodeEntry(value)
		if !ok || err != nil || e.Inode < FirstInode {
			return errors.Join(m.r.lost(string(keyEntry)), m.drop(slices.Clone(key), "%q of directory %d: %v", name, parent, errors.Join(err, ErrCorrupt)))
		}
		m.top = max(m.top, e.Inode+1)
		if e.Kind == Dir || e.State != Gone {
			m.numbers.toggle(uint64(e.Inode))
		}
		if e.State != Blob {
			return nil
		}
		err = m.s.blobs.check(m.ctx, &e)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, syscall.EIO) {
			return err
		}
		m.r.problem("%q of directory %d: %v", name, parent, err)
		m.r.done.Pending++
		if err := m.s.blobs.remove(e.blob); err == nil {
			m.r.done.Blobs++
		}
		return m.batch.Set(slices.Clone(key), appendEntryHead(nil, &Entry{Inode: e.Inode, State: Pending, Size: -1}), nil)
	})
}

// match gives every name of a run its entry, and takes those that have none away.
func (m *mender) match() error {
	it, err := m.s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return storeError("repair", err)
	}
	c := &cursor{it: it}
	err = m.walk(keyRun, func(key, value []byte) error {
		parent, first, _ := splitRunKey(key)
		r, err := decodeRun(value)
		if err != nil {
			return err
		}
		run := &cachedRun{run: r, parent: parent, first: first}
		if ok, err := m.directory(parent); err != nil {
			return err
		} else if !ok {
			return m.orphan(run)
		}
		return m.matchRun(c, run)
	})
	return errors.Join(err, it.Close())
}

func (m *mender) matchRun(c *cursor, r *cachedRun) error {
	var inner error
	var holes []int
	back := 0
	err := r.each(0, func(k int, name []byte) bool {
		ino := r.first + Inode(k)
		value, ok, err := c.find(r.parent, string(name))
		var e Entry
		if err == nil && ok {
			e, err = decodeEntry(value)
		}
		switch {
		case err != nil:
			inner = err
		case !ok:
			back++
			e = Entry{Inode: ino, Kind: r.kind, State: Pending, Size: -1}
			if r.kind == Dir {
				e.State, e.Fetched = Inline, m.s.opts.Now().Unix()
			}
			inner = m.batch.Set(appendEntryKey(nil, r.parent, string(name)), appendEntryHead(nil, &e), nil)
		case e.Kind != r.kind || e.State == Gone || e.Inode != ino && e.Kind == Dir:
			holes = append(holes, k)
		}
		return inner == nil
	})
	if err = errors.Join(err, inner); err != nil {
		return err
	}
	if back > 0 {
		m.r.done.Pending += uint64(back)
		m.r.problem("%d names of directory %d, inodes from %d to %d, had no entry; they are pending", back, r.parent, r.first, r.first+Inode(r.n)-1)
	}
	if len(holes) == 0 {
		return nil
	}
	m.r.problem("%d names of directory %d, inodes from %d to %d, are gone or another's", len(holes), r.parent, r.first, r.first+Inode(r.n)-1)
	names, err := r.names()
	if err != nil {
		return err
	}
	for _, k := range holes {
		names[k] = ""
	}
	return m.setRun(r, names)
}

// orphan removes a run, and the entries of its names, that no directory leads to.
func (m *mender) orphan(r *cachedRun) error {
	names, err := r.names()
	if err = errors.Join(err, m.loseNames()); err != nil {
		return err
	}
	m.r.problem("%d names stand in inode %d, which is not a directory any more", r.n, r.parent)
	for _, name := range names {
		if name != "" {
			m.r.done.Dropped++
			if err := m.batch.Delete(appendEntryKey(nil, r.parent, name), nil); err != nil {
				return err
			}
		}
	}
	return m.setRun(r, make([]string, r.n))
}

// failures drops the records of files that are not pending.
func (m *mender) failures() error {
	return m.walk(keyFailed, func(key, value []byte) error {
		ino, ok := splitInodeKey(key)
		_, err := decodeFailure(value)
		if !ok || err != nil {
			return m.drop(slices.Clone(key), "failed file %x: %v", key, errors.Join(err, ErrCorrupt))
		}
		r, err := m.runOf(ino)
		if err != nil {
			return err
		}
		pending := false
		if r != nil {
			name, ok, err := r.name(int(ino - r.first))
			if err != nil {
				return err
			}
			if ok {
				e, err := m.s.Lookup(r.parent, name)
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				pending = err == nil && e.State == Pending && e.Inode == ino
			}
		}
		if pending {
			return nil
		}
		return m.drop(slices.Clone(key), "inode %d has a record of failure and is not pending", ino)
	})
}

// index drops those whose run is lost.
func (m *mender) index() error {
	n := uint64(0)
	if err := m.walk(keyRunIndex, func(_, _ []byte) error { n++; return nil }); err != nil || n == m.runs {
		return err
	}
	return m.walk(keyRunIndex, func(key, value []byte) error {
		first, ok := splitInodeKey(key)
		index, bad := decodeRunIndex(value)
		if ok && bad == nil {
			old, err := m.r.getOld(m.s, appendRunKey(nil, index.parent, first))
			if err != nil || old != nil {
				return err
			}
		}
		return m.drop(slices.Clone(key), "the names of inodes from %d on were lost", first)
	})
}

// count counts what there is now, and writes the progress that is true with it.
func (m *mender) count() error {
	if err := m.apply(); err != nil {
		return err
	}
	s := m.s
	next := s.commit.progress
	next.Next = max(next.Next, m.top)
	if m.has(keyMeta) {
		next.Next += lostNumbers
		next.Settled = next.Next
	}
	if err := s.liftNumbers(next.Next); err != nil {
		return err
	}
	next.Settled = min(next.Settled, next.Next)
	s.progress.Store(&next)
	contradicts := 0
	v := &verifier{s: s, ctx: m.ctx, tell: func(problem string) { contradicts++; m.r.problem("%s", problem) },
		progress: next, maxSuspects: maxSuspects, counting: true, settled: next.Settled}
	for _, step := range []func() error{v.runs, v.index, v.entries, v.names, v.failures, v.unreferenced} {
		if err := step(); err != nil {
			return err
		}
	}
	m.r.done.Report = v.report
	if contradicts > 0 {
		return fmt.Errorf("%w: %d problems cannot be mended; remove %s and mirror again", ErrCorrupt, contradicts, s.opts.Dir)
	}
	next.Files, next.Dirs, next.Fetched, next.Bytes = v.seen.Files+v.report.Superseded, v.seen.Dirs, v.seen.Fetched, v.seen.Bytes
	next.Gone, next.Failed = v.seen.Gone, v.seen.Failed
	next.Unchecked = max(next.Unchecked, v.report.Superseded)
	next.Settled = v.settled
	next.Listed = min(next.Listed, next.Next)
	if m.has(keyMeta) || m.has(keyEntry) && m.has(keyRun) {
		next.Marker, next.Listed, next.Skipped, next.ListingComplete = "", 0, 0, false
		m.r.done.Relist = true
	}
	if next == s.commit.progress {
		s.progress.Store(&next)
		return nil
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	return s.applyLocked(batch, next)
}

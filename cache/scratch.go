package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// scratch is what a store knows that is made for the files of one segment.
type scratch struct {
	table  Table // of its files
	counts NameCounts
	files  *scratchFiles
}

const (
	// scratchMemTable and scratchCache are a scratch store's memtable and its blocks, in
	// bytes.
	scratchMemTable = 2 << 20
	scratchCache    = 2 << 20
	// scratchAhead is how far ahead of its numbers the watermark of a scratch store is: as
	// it does not outlive its process, none is waited for.
	scratchAhead = 1 << 40
)

// OpenScratch makes a store in o.Dir, which must be empty or not there, for the files of
// one segment: its listing is complete, and all of them are Pending. dirs, files and context are
// the tables of a name segment whose head says c; files must stay readable. It has no
// readers: files that nothing was decided of are known to Pending alone. Nothing of it
// survives a crash; who has exported it closes it and removes the directory. The error
// is ErrTable where the tables are not what c says, or the disk's.
func OpenScratch(ctx context.Context, o Options, dirs, files, context Table, c NameCounts) (*Store, error) {
	if o.Origin == "" {
		o.Origin = "scratch"
	}
	o.EnsureDefaults()
	o.FlushEvery = -1
	o.FS = noSync{o.FS}
	o.tune = func(p *pebble.Options) {
		p.CacheSize, p.MemTableSize = scratchCache, scratchMemTable
		p.DisableAutomaticCompactions = true
		p.L0StopWritesThreshold = math.MaxInt32
	}
	s, err := Open(o)
	if err != nil {
		return nil, err
	}
	if err := s.loadScratch(ctx, dirs, files, context, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) loadScratch(ctx context.Context, own, files, context Table, c NameCounts) error {
	if s.Progress().Next != FirstInode {
		return fmt.Errorf("scratch store %s: is not new", s.opts.Dir)
	}
	dirs, err := checkContext(ctx, context, c.First)
	if err != nil {
		return err
	}
	inside, err := dirs.own(ctx, own, c)
	if err != nil {
		return err
	}
	known, err := s.newScratchFiles(c)
	if err != nil {
		return err
	}
	s.scratch = &scratch{table: files, counts: c, files: known}
	return s.ingest(c.First, func(g *ingestion) error {
		add := func(key, value []byte) error {
			for ; len(dirs.records) > 0 && (key == nil || bytes.Compare(dirs.records[0].key, key) < 0); dirs.records = dirs.records[1:] {
				if err := g.set(dirs.records[0].key, dirs.records[0].value); err != nil {
					return err
				}
			}
			if key == nil {
				return nil
			}
			if len(dirs.records) > 0 && bytes.Equal(dirs.records[0].key, key) {
				return errTable("a file has the key of a directory, %q", key)
			}
			if parent, first, ok := splitRunKey(key); ok {
				if err := s.scratch.files.run(parent, first, value); err != nil {
					return err
				}
			} else if key[0] == keyEntry {
				if ok, err := s.scratch.files.entry(value); ok || err != nil {
					return err
				}
			}
			return g.set(key, value)
		}
		if err := checkFiles(ctx, files, c, inside, dirs.has, add); err != nil {
			return err
		}
		s.scratch.files.sort()
		if err := add(nil, nil); err != nil {
			return err
		}
		s.commit.Lock()
		defer s.commit.Unlock()
		next := s.commit.progress
		next.Files, next.Dirs = c.Files, c.Dirs+uint64(len(dirs.by))
		next.Next, next.Listed, next.Settled = c.End, c.End, c.First
		next.ListingComplete, next.ListedAt = true, s.opts.Now().Unix()
		if err := g.applyLocked(ctx, next); err != nil {
			return err
		}
		s.conflicts.forget()
		s.commit.settled = c.First
		s.numbers.written.Store(s.numbers.next.Load() + scratchAhead)
		s.numbers.durable.Store(s.numbers.next.Load() + scratchAhead)
		return nil
	})
}

// Shrink has a scratch store take less memory, once most of its files are here or gone: few are asked for from
// then on, and much time may go by.
func (s *Store) Shrink() {
	s.commit.Lock()
	defer s.commit.Unlock()
	if !s.commit.closed {
		s.scratch.files.shrink()
	}
}

// contextDirs are the directories of a context, and then those of the segment too: as many as
// a name segment may have.
type contextDirs struct {
	by      map[Inode]*contextEntry // of the context
	records []keyValue              // of both, sorted
}

// own reads the table of the segment's own directories, which stand in each other, or in those of
// the context.
func (d *contextDirs) own(ctx context.Context, t Table, c NameCounts) (*numberSet, error) {
	check, err := newNameCheck(c, Dir, nil, d.has)
	if err != nil {
		return nil, err
	}
	if err := checkNames(ctx, t, check, func(key, value []byte) error {
		d.records = append(d.records, keyValue{bytes.Clone(key), bytes.Clone(value)})
		return nil
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(d.records, func(a, b keyValue) int { return bytes.Compare(a.key, b.key) })
	for k := range d.records {
		if k > 0 && bytes.Equal(d.records[k-1].key, d.records[k].key) {
			return nil, errTable("the context has a directory of the segment, %q", d.records[k].key)
		}
	}
	return check.dirs, nil
}

type contextEntry struct {
	parent         Inode
	hash           uint64 // its entryHash
	indexed, named bool
}

// has returns ErrTable for a directory that is not there.
func (d *contextDirs) has(dir Inode) error {
	if d.by[dir] == nil && dir != RootInode {
		return errTable("there is no directory %d", dir)
	}
	return nil
}

// checkContext reads a table of directories whose numbers are below first.
func checkContext(ctx context.Context, t Table, first Inode) (*contextDirs, error) {
	d := &contextDirs{by: map[Inode]*contextEntry{}}
	if err := eachRecord(ctx, t, func(key, value []byte) error {
		if !d.record(key, value, first) {
			return errTable("the context has a wrong key %q", key)
		}
		d.records = append(d.records, keyValue{bytes.Clone(key), bytes.Clone(value)})
		return nil
	}); err != nil {
		return nil, err
	}
	for ino, e := range d.by {
		if d.has(e.parent) != nil || !e.indexed || !e.named {
			return nil, errTable("the directory %d of the context stands nowhere", ino)
		}
	}
	return d, nil
}

func (d *contextDirs) record(key, value []byte, first Inode) bool {
	if parent, name, ok := splitEntryKey(key); ok {
		e, err := decodeEntry(value)
		if err != nil || e.Kind != Dir || e.State != Inline || !componentOK(string(name)) || e.Inode < FirstInode || e.Inode >= first || parent >= e.Inode || d.by[e.Inode] != nil {
			return false
		}
		d.by[e.Inode] = &contextEntry{parent: parent, hash: entryHash(parent, name, e.Inode, Dir)}
		return true
	}
	if parent, ino, ok := splitRunKey(key); ok {
		r, err := decodeRun(value)
		e := d.by[ino]
		if err != nil || e == nil || r.n != 1 || r.kind != Dir || e.parent != parent {
			return false
		}
		name, ok, err := r.name(0)
		e.named = err == nil && ok && e.hash == entryHash(parent, []byte(name), ino, Dir)
		return e.named
	}
	ino, ok := splitInodeKey(key)
	e := d.by[ino]
	index, err := decodeRunIndex(value)
	if !ok || key[0] != keyRunIndex || e == nil || err != nil || index != newRunIndex(e.parent, Dir) {
		return false
	}
	e.indexed = true
	return true
}

// noSync is a filesystem of which nothing is to survive a crash.
type noSync struct{ vfs.FS }

func (n noSync) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return unsynced(n.FS.Create(name, category))
}

func (n noSync) OpenDir(name string) (vfs.File, error) { return unsynced(n.FS.OpenDir(name)) }

func (n noSync) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return unsynced(n.FS.OpenReadWrite(name, category, opts...))
}

func (n noSync) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return unsynced(n.FS.ReuseForWrite(oldname, newname, category))
}

// Unwrap is for vfs.Root.
func (n noSync) Unwrap() vfs.FS { return n.FS }

func unsynced(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error                             { return nil }
func (unsyncedFile) SyncData() error                         { return nil }
func (unsyncedFile) SyncTo(int64) (fullSync bool, err error) { return false, nil }

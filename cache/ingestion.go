package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	iofs "io/fs"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// ingestion brings many keys into the store at once: it writes them into tables of the
// database's own, in their order, and hands these over, with the progress that they bring
// about in one of them. So all are in the store after a crash, or none.
type ingestion struct {
	s       *Store
	options sstable.WriterOptions
	paths   []string
	w       *sstable.Writer
	class   keyClass
	size    int
	// first is the first number of the segments: keys of directories before it lie among those of
	// others, and have tables of their own, so that all others lie side by side.
	first Inode
}

// keyClass is what the keys of one table have in common.
type keyClass struct {
	letter byte
	new    bool
}

const (
	// ingestDir is where the tables stand until the database has them.
	ingestDir = "ingest"
	// ingestTable is about how long such a table is, in bytes of keys and values.
	ingestTable = 64 << 20
)

// clearIngest removes what a crash left.
func clearIngest(o *Options) error {
	dir := o.FS.PathJoin(o.Dir, ingestDir)
	if err := o.FS.RemoveAll(dir); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	return nil
}

func (s *Store) newIngestion(first Inode) (*ingestion, error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	o := s.pebbleOptions()
	o.EnsureDefaults()
	g := &ingestion{s: s, first: first, options: o.MakeWriterOptions(len(o.Levels)-1, s.db.TableFormat())}
	return g, s.opts.FS.MkdirAll(s.opts.FS.PathJoin(s.opts.Dir, ingestDir), privateDir)
}

// writable returns why nothing can be written.
func (s *Store) writable() error {
	if s.readOnly != nil {
		return fmt.Errorf("store %s: %w", s.opts.Dir, s.readOnly)
	}
	return s.BrokenErr()
}

func (g *ingestion) classOf(key []byte) keyClass {
	c := keyClass{letter: key[0]}
	if c.letter == keySegment {
		c.letter = keyMeta // both are few
	}
	if (c.letter == keyEntry || c.letter == keyRun) && len(key) >= entryKeyLen {
		c.new = Inode(binary.BigEndian.Uint64(key[1:])) >= g.first
	}
	return c
}

// set adds a key, which comes after all before it.
func (g *ingestion) set(key, value []byte) error {
	class := g.classOf(key)
	if g.w != nil && (class != g.class || g.size > ingestTable) {
		if err := g.endTable(); err != nil {
			return err
		}
	}
	if g.w == nil {
		if err := g.beginTable(); err != nil {
			return err
		}
		g.class, g.size = class, 0
	}
	g.size += len(key) + len(value)
	return g.s.room.refused(g.w.Set(key, value))
}

func (g *ingestion) beginTable() error {
	path := g.s.opts.FS.PathJoin(g.s.opts.Dir, ingestDir, fmt.Sprintf("%06d%s", g.s.ingests.Add(1), tableSuffix))
	file, err := g.s.opts.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return g.s.room.refused(err)
	}
	g.paths = append(g.paths, path)
	g.w = sstable.NewWriter(objstorageprovider.NewFileWritable(file), g.options)
	return nil
}

func (g *ingestion) endTable() error {
	w := g.w
	if w == nil {
		return nil
	}
	g.w = nil
	return g.s.room.refused(w.Close())
}

// applyLocked brings in what was set, and what the store then counts and has of segments, which are
// in the order of their numbers.
func (g *ingestion) applyLocked(ctx context.Context, next Progress, segs ...*Segment) error {
	s := g.s
	if s.commit.closed {
		return ErrClosed
	}
	if err := s.writable(); err != nil {
		return err
	}
	mark := max(s.numbers.next.Load(), uint64(next.Next))
	err := g.endTable() // what comes is before its runs
	if err == nil {
		err = g.set(metaNumbers, binary.AppendUvarint(nil, mark))
	}
	if err == nil {
		err = g.set(metaProgress, next.append(nil))
	}
	for _, seg := range segs {
		var value []byte
		if err == nil {
			value, err = seg.encode()
		}
		if err == nil {
			err = g.set(appendSegmentKey(nil, seg.Names.First), value)
		}
	}
	if err == nil {
		err = g.endTable()
	}
	if err != nil {
		return err
	}
	if err := s.db.Ingest(ctx, g.paths); err != nil {
		return s.room.refused(fmt.Errorf("ingest into store %s: %w", s.opts.Dir, err))
	}
	g.paths = nil // they are the database's
	s.numbers.next.Store(mark)
	s.numbers.written.Store(mark)
	s.numbers.flushed(mark)
	s.commit.progress = next
	s.progress.Store(&next)
	s.commit.updates++
	return nil
}

// close gives up what was not brought in.
func (g *ingestion) close() error {
	var errs []error
	errs = append(errs, g.endTable())
	for _, path := range g.paths {
		if err := g.s.opts.FS.Remove(path); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

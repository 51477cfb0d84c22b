package cache

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Lookup returns the entry called name in the directory parent. A file that is
// gone at the origin is returned with that state. Content is not set; ReadAt
// has it. The errors are ErrNotFound, ErrCorrupt, or the disk's.
func (s *Store) Lookup(parent Inode, name string) (Entry, error) {
	e, err := s.lookup(parent, name)
	e.Content = nil
	return e, err
}

// lookup is Lookup with the content of an inline file.
func (s *Store) lookup(parent Inode, name string) (Entry, error) {
	room := entryKeys.Get().(*entryKey)
	defer entryKeys.Put(room)
	return s.lookupKey(appendEntryKey(room[:0], parent, name))
}

// entryKey has room for the key of any entry.
type entryKey [entryKeyLen + MaxComponent]byte

// entryKeys keeps keys from being made on the heap, once for each lookup.
var entryKeys = sync.Pool{New: func() any { return new(entryKey) }}

func (s *Store) lookupKey(key []byte) (Entry, error) {
	value, closer, err := s.db.Get(key)
	if err != nil {
		return Entry{}, storeError("look up entry", err)
	}
	defer closer.Close()
	return s.decode(key, value)
}

// decode decodes an entry, and keeps it where it is likely to be read next.
func (s *Store) decode(key, value []byte) (Entry, error) {
	e, err := decodeEntry(value)
	if err != nil {
		parent, name, _ := splitEntryKey(key)
		return Entry{}, fmt.Errorf("entry %q of directory %d: %w", name, parent, err)
	}
	e.Content = slices.Clone(e.Content)
	if e.Here() {
		s.entries.put(e.Inode, e)
	} else if e.Promised() && !s.promised.Load() {
		s.promised.Store(true)
	}
	return e, nil
}

// Get returns the entry with that number. The errors are those of Lookup.
func (s *Store) Get(ino Inode) (Entry, error) {
	e, err := s.get(ino)
	e.Content = nil
	return e, err
}

func (s *Store) get(ino Inode) (Entry, error) {
	if ino == RootInode {
		return Entry{Inode: RootInode, Kind: Dir, State: Inline, Size: -1}, nil
	}
	if e, ok := s.entries.get(ino); ok {
		return e, nil
	}
	parent, name, err := s.locate(ino)
	if errors.Is(err, ErrNotFound) {
		return s.aside(ino)
	}
	if err != nil {
		return Entry{}, err
	}
	e, err := s.lookup(parent, name)
	if err != nil {
		return Entry{}, err
	}
	if e.Inode == ino {
		return e, nil
	}
	if s.progress.Load().Unchecked == 0 || s.promised.Load() {
		// The run was read before the file was replaced; or the name was listed twice, and
		// of the earlier number something else may have been promised.
		return s.aside(ino)
	}
	// The number's name was listed twice: the later listing has it.
	e.Inode = ino
	return e, nil
}

// ReadAt reads the content of a file that is here into p, from off on. It
// returns fewer bytes than len(p) only at the file's end, and none past it. The
// errors are those of Lookup; a file that is not here is ErrNotFound.
func (s *Store) ReadAt(ino Inode, p []byte, off int64) (int, error) {
	e, err := s.get(ino)
	if err != nil {
		return 0, err
	}
	if e.Kind == Dir || !e.Here() {
		return 0, fmt.Errorf("read inode %d: %w", ino, ErrNotFound)
	}
	if off < 0 {
		return 0, fmt.Errorf("read inode %d at %d: negative offset", ino, off)
	}
	if e.State == Blob {
		return s.readBlob(&e, p, off)
	}
	if off >= int64(len(e.Content)) {
		return 0, nil
	}
	return copy(p, e.Content[off:]), nil
}

// Where returns the directory and the name of an inode. The errors are those of Lookup.
func (s *Store) Where(ino Inode) (parent Inode, name string, err error) { return s.locate(ino) }

func (s *Store) readBlob(e *Entry, p []byte, off int64) (int, error) {
	n, err := s.blobs.readAt(e, p, off)
	if err = s.missingBlob(e, err); !errors.Is(err, iofs.ErrNotExist) {
		return n, err
	}
	// It may be of a number that a refresh has dropped: who looked that up in a snapshot
	// from before may have put it into the cache after it.
	s.entries.remove(e.Inode)
	if _, dropped := s.get(e.Inode); dropped != nil {
		return 0, dropped
	}
	if _, none := s.aside(e.Inode); none == nil { // it is being dropped
		return 0, fmt.Errorf("inode %d: %w", e.Inode, ErrNotFound)
	}
	return n, err
}

// locate turns an inode number into the directory and the name it stands under.
func (s *Store) locate(ino Inode) (parent Inode, name string, err error) {
	r, err := s.runOf(ino)
	if err != nil {
		return 0, "", err
	}
	name, ok, err := r.name(int(ino - r.first))
	if err != nil {
		return 0, "", err
	}
	if !ok {
		return 0, "", fmt.Errorf("inode %d: %w", ino, ErrNotFound)
	}
	return r.parent, name, nil
}

// runOf returns the run that ino is in.
func (s *Store) runOf(ino Inode) (*cachedRun, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyRunIndex}, UpperBound: appendRunIndexKey(nil, ino+1)})
	if err != nil {
		return nil, storeError("find inode", err)
	}
	if !it.Last() {
		return nil, errors.Join(storeError("find inode", it.Error()), it.Close(), fmt.Errorf("inode %d: %w", ino, ErrNotFound))
	}
	first, ok := splitInodeKey(it.Key())
	value, err := it.ValueAndErr()
	index, bad := decodeRunIndex(value)
	if err := errors.Join(storeError("find inode", err), it.Close()); err != nil {
		return nil, err
	}
	if !ok || bad != nil || first > ino {
		return nil, fmt.Errorf("%w: index of inode %d does not decode", ErrCorrupt, ino)
	}
	if r, ok := s.runs.get(first); ok && ino-first < Inode(r.n) {
		return r, nil
	}
	return s.loadRun(index.parent, first)
}

func (s *Store) loadRun(parent, first Inode) (*cachedRun, error) {
	purged := s.runs.purges()
	value, closer, err := s.db.Get(appendRunKey(nil, parent, first))
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) {
			return nil, fmt.Errorf("%w: run %d of directory %d is missing", ErrCorrupt, first, parent)
		}
		return nil, storeError("read run", err)
	}
	r, err := decodeRun(slices.Clone(value))
	if err = errors.Join(err, closer.Close()); err != nil {
		return nil, err
	}
	c := &cachedRun{run: r, parent: parent, first: first}
	s.runs.putSince(purged, first, c)
	return c, nil
}

// OriginName returns the origin's name of the file called name in the directory
// parent. The error is ErrName where no origin's name stands there.
func (s *Store) OriginName(parent Inode, name string) (string, error) {
	path, err := s.path(parent)
	if err != nil {
		return "", err
	}
	return JoinName(append(path, name))
}

// NameOf returns the origin's name of the file with that number; of a directory,
// what the names of its files begin with, up to the slash. The error is ErrName
// where no component of an origin's name ends there, or one of Lookup.
func (s *Store) NameOf(ino Inode) (string, error) {
	path, err := s.path(ino)
	if err != nil {
		return "", err
	}
	return JoinName(path)
}

// path returns the components that lead from the root to the directory dir.
func (s *Store) path(dir Inode) ([]string, error) {
	var path []string
	for dir != RootInode {
		up, name, err := s.locate(dir)
		if err != nil {
			return nil, err
		}
		path = append(path, name)
		dir = up
	}
	slices.Reverse(path)
	return path, nil
}

package fs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/motefs/motefs/cache"
)

// fakeStore is a Store in memory. What these tests are about is between the
// kernel and this package; the real store is tested with it in cmd.
type fakeStore struct {
	mu struct {
		sync.RWMutex
		next     cache.Inode
		entries  map[cache.Inode]*cache.Entry
		names    map[cache.Inode]string
		parents  map[cache.Inode]cache.Inode
		lookup   map[string]cache.Inode // parent/name
		children map[cache.Inode][]cache.Inode
		err      error
	}
	complete atomic.Bool
	// changes and final are what Changes returns.
	changes atomic.Uint64
	final   atomic.Bool
	// between is called after ListingComplete has answered.
	between func()
}

func newFakeStore() *fakeStore {
	s := &fakeStore{}
	s.mu.next = cache.FirstInode
	s.mu.entries = map[cache.Inode]*cache.Entry{}
	s.mu.names = map[cache.Inode]string{}
	s.mu.parents = map[cache.Inode]cache.Inode{}
	s.mu.lookup = map[string]cache.Inode{}
	s.mu.children = map[cache.Inode][]cache.Inode{}
	return s
}

func lookupKey(parent cache.Inode, name string) string { return fmt.Sprintf("%d/%s", parent, name) }

// add makes an entry and returns its number.
func (s *fakeStore) add(parent cache.Inode, name string, e cache.Entry) cache.Inode {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Inode = s.mu.next
	s.mu.next++
	s.mu.entries[e.Inode] = &e
	s.mu.names[e.Inode] = name
	s.mu.parents[e.Inode] = parent
	s.mu.lookup[lookupKey(parent, name)] = e.Inode
	s.mu.children[parent] = append(s.mu.children[parent], e.Inode)
	s.changes.Add(1)
	return e.Inode
}

func (s *fakeStore) file(parent cache.Inode, name, content string) cache.Inode {
	return s.add(parent, name, cache.Entry{
		State: cache.Inline, Size: int64(len(content)), Content: []byte(content),
		ModTime: 1_600_000_000, Fetched: 1_700_000_000,
	})
}

func (s *fakeStore) pending(parent cache.Inode, name string) cache.Inode {
	return s.add(parent, name, cache.Entry{State: cache.Pending, Size: -1})
}

// promised is a pending file of which the listing says length and time.
func (s *fakeStore) promised(parent cache.Inode, name string, size int64) cache.Inode {
	return s.add(parent, name, cache.Entry{State: cache.Pending, Size: size, ModTime: 1_600_000_000})
}

func (s *fakeStore) dir(parent cache.Inode, name string) cache.Inode {
	return s.add(parent, name, cache.Entry{Kind: cache.Dir, State: cache.Inline, Fetched: 1_700_000_000})
}

// set changes an entry.
func (s *fakeStore) set(ino cache.Inode, change func(*cache.Entry)) cache.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := *s.mu.entries[ino]
	change(&e)
	s.mu.entries[ino] = &e
	if e.State == cache.Gone {
		s.changes.Add(1)
	}
	return e
}

// fail makes every operation end in err.
func (s *fakeStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.err = err
}

func (s *fakeStore) Lookup(parent cache.Inode, name string) (cache.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.err != nil {
		return cache.Entry{}, s.mu.err
	}
	ino, ok := s.mu.lookup[lookupKey(parent, name)]
	if !ok {
		return cache.Entry{}, fmt.Errorf("lookup %q: %w", name, cache.ErrNotFound)
	}
	return *s.mu.entries[ino], nil
}

func (s *fakeStore) Get(ino cache.Inode) (cache.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.err != nil {
		return cache.Entry{}, s.mu.err
	}
	if e, ok := s.mu.entries[ino]; ok {
		return *e, nil
	}
	return cache.Entry{}, cache.ErrNotFound
}

func (s *fakeStore) NameOf(ino cache.Inode) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.err != nil {
		return "", s.mu.err
	}
	var path []string
	for ; ino != cache.RootInode; ino = s.mu.parents[ino] {
		if _, ok := s.mu.names[ino]; !ok {
			return "", cache.ErrNotFound
		}
		path = append(path, s.mu.names[ino])
	}
	slices.Reverse(path)
	return cache.JoinName(path)
}

func (s *fakeStore) Where(ino cache.Inode) (cache.Inode, string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	name, ok := s.mu.names[ino]
	if !ok {
		return 0, "", cache.ErrNotFound
	}
	return s.mu.parents[ino], name, s.mu.err
}

// drop takes an entry away, as the store does that has given its name to another.
func (s *fakeStore) drop(ino cache.Inode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parent := s.mu.parents[ino]
	delete(s.mu.lookup, lookupKey(parent, s.mu.names[ino]))
	delete(s.mu.entries, ino)
	delete(s.mu.names, ino)
	s.mu.children[parent] = slices.DeleteFunc(slices.Clone(s.mu.children[parent]), func(child cache.Inode) bool { return child == ino })
	s.changes.Add(1)
}

func (s *fakeStore) ReadAt(ino cache.Inode, p []byte, off int64) (int, error) {
	e, err := s.Get(ino)
	if err == nil && !e.Here() {
		err = cache.ErrNotFound
	}
	if err != nil || off >= int64(len(e.Content)) {
		return 0, err
	}
	return copy(p, e.Content[off:]), nil
}

func (s *fakeStore) ReadDir(dir, after cache.Inode, fn func(cache.DirEntry) bool) error {
	s.mu.RLock()
	children, err := s.mu.children[dir], s.mu.err
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	i, found := slices.BinarySearch(children, after)
	if found {
		i++
	}
	for _, ino := range children[i:] {
		s.mu.RLock()
		e, name := s.mu.entries[ino], []byte(s.mu.names[ino])
		s.mu.RUnlock()
		if e.State != cache.Gone && !fn(cache.DirEntry{Inode: ino, Kind: e.Kind, Name: name}) {
			return nil
		}
	}
	return nil
}

func (s *fakeStore) ReadDirPlus(dir, after cache.Inode, fn func(cache.DirEntry, cache.Entry, error) bool) error {
	return s.ReadDir(dir, after, func(de cache.DirEntry) bool {
		e, err := s.Lookup(dir, string(de.Name))
		return fn(de, e, err)
	})
}

func (s *fakeStore) Usage() cache.Usage { return cache.Usage{Files: 7, Dirs: 3, Bytes: 10_000} }

func (s *fakeStore) Changes() (uint64, bool) {
	final := s.final.Load()
	return s.changes.Load(), final
}

func (s *fakeStore) ListingComplete() bool {
	complete := s.complete.Load()
	if s.between != nil {
		s.between()
	}
	return complete
}

// fakeContents is a Contents that brings what origin says into store.
type fakeContents struct {
	fakeArrivals
	store  *fakeStore
	origin func(ctx context.Context, name string) (string, error)
	mu     struct {
		sync.Mutex
		fetched map[string]int
	}
}

var errNoOrigin = errors.New("no origin in this test")

func newFakeContents(s *fakeStore, origin func(context.Context, string) (string, error)) *fakeContents {
	c := &fakeContents{store: s, origin: origin}
	c.mu.fetched = map[string]int{}
	return c
}

// fetches is how often name was fetched, or everything where name is empty.
func (c *fakeContents) fetches(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name != "" {
		return c.mu.fetched[name]
	}
	total := 0
	for _, n := range c.mu.fetched {
		total += n
	}
	return total
}

func (c *fakeContents) Fetch(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	c.mu.Lock()
	c.mu.fetched[name]++
	c.mu.Unlock()
	if e, err := c.store.Lookup(parent, name); err == nil {
		if arriving, _ := c.Shown(e.Inode); arriving != nil {
			return *arriving, nil
		}
	}
	if c.origin == nil {
		return cache.Entry{}, errNoOrigin
	}
	content, err := c.origin(ctx, name)
	e, lookupErr := c.store.Lookup(parent, name)
	switch {
	case errors.Is(err, cache.ErrNotFound):
		if lookupErr == nil {
			c.store.set(e.Inode, func(e *cache.Entry) { e.State = cache.Gone })
		}
		return e, err
	case err != nil:
		return e, err
	case lookupErr == nil && !e.Keeps(int64(len(content)), 0, nil):
		c.store.drop(e.Inode)
		return c.store.Get(c.store.file(parent, name, content))
	}
	ino := e.Inode
	if lookupErr != nil {
		ino = c.store.pending(parent, name)
	}
	return c.store.set(ino, func(e *cache.Entry) {
		e.State, e.Content, e.Size, e.Fetched = cache.Inline, []byte(content), int64(len(content)), 1_700_000_000
	}), nil
}

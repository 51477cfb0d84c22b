package unlisted

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"sync"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
)

// Options say where unlisted files come from and go to. Store.Dir, Store.Origin, Tree, Lister and
// Fetcher must be set.
type Options struct {
	// Store says how the side store is opened; its Memory is set where it is 0.
	Store cache.Options
	// Tree is the mirror's.
	Tree Tree
	// Lister and Fetcher ask the origin.
	Lister  mirror.Lister
	Fetcher mirror.Fetcher
	// Bytes bounds what is here, in bytes: what was asked for first goes first, and to read it by
	// its number is cache.ErrNotFound then. What was asked for or read a moment ago stays in any
	// case. Default DefaultBytes.
	Bytes int64
	// MaxFile is that of mirror.Options.
	MaxFile int64
	// Gone is told that a file of which readers saw the beginning could not be fetched to its end.
	// nil: nobody is told.
	Gone func(parent cache.Inode, name string)
}

// Tree are the names of the mirror, by which a directory is known to both stores.
type Tree interface {
	// Lookup, NameOf and OriginName are those of a *cache.Store.
	Lookup(parent cache.Inode, name string) (cache.Entry, error)
	OriginName(parent cache.Inode, name string) (string, error)
	// ListingComplete says that all names are there, and that none comes any more.
	ListingComplete() bool
}

const (
	// sideBit is in every number of an unlisted file, and in none of a segment's: those count from
	// cache.FirstInode on.
	sideBit cache.Inode = 1 << 62
	// sideMemory is cache.Options.Memory of the side store, in bytes.
	sideMemory = 64 << 20
)

// Files are the unlisted files. Its methods may be called from any goroutine. It must be closed.
type Files struct {
	o       Options
	store   *cache.Store
	engine  *mirror.Engine
	recent  recent
	cancel  context.CancelFunc
	keeping sync.WaitGroup
	mu      struct {
		sync.Mutex
		planner *cache.Planner // makes directories
	}
}

// Open opens the side store, or makes one. It asks the origin for nothing.
func Open(o Options) (_ *Files, err error) {
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	f := &Files{o: o, recent: recent{used: map[cache.Inode]uint64{}, old: map[cache.Inode]struct{}{}}}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if o.Store.Memory == 0 || o.Store.Memory > sideMemory {
		o.Store.Memory = sideMemory
	}
	if f.store, err = cache.Open(o.Store); err != nil {
		return nil, err
	}
	f.recent.before = f.store.Progress().Next
	if f.mu.planner, err = f.store.NewPlanner(); err != nil {
		return nil, err
	}
	f.engine, err = mirror.Open(mirror.Options{
		Store: f.store, Lister: o.Lister, Fetcher: o.Fetcher, MaxFile: o.MaxFile, Events: mirror.Events{Gone: f.gone}, Log: o.Store.Log,
	})
	if err != nil {
		return nil, err
	}
	k := &keeper{f: f}
	f.keeping.Go(func() {
		pprof.Do(ctx, pprof.Labels("motefs", "unlisted"), k.run)
	})
	return f, nil
}

// Close ends what is under way, and closes the side store.
func (f *Files) Close() error {
	var errs []error
	f.cancel()
	f.keeping.Wait()
	if f.engine != nil {
		errs = append(errs, f.engine.Close())
	}
	if f.store != nil {
		errs = append(errs, f.store.Close())
	}
	return errors.Join(errs...)
}

// GiveUp is that of a cache.Store: nothing waits for room on the disk any more.
func (f *Files) GiveUp() { f.store.GiveUp() }

// Fetch returns the file called name in a directory of the mirror, fetched now if it is not in
// the side store. It is for names that no segment has; see replica.Options.Unlisted. The errors are
// those of mirror.Engine.Fetch.
func (f *Files) Fetch(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	origin, err := f.o.Tree.OriginName(parent, name)
	if errors.Is(err, cache.ErrName) {
		return cache.Entry{}, fmt.Errorf("%w: %w", cache.ErrNotFound, err)
	}
	if err != nil {
		return cache.Entry{}, err
	}
	path, err := cache.SplitName(nil, origin)
	if err != nil || path[len(path)-1] != name {
		return cache.Entry{}, fmt.Errorf("%w: %q is not how a name is shown", cache.ErrNotFound, name)
	}
	dir, err := f.directory(origin, path[:len(path)-1])
	if err != nil {
		return cache.Entry{}, err
	}
	e, err := f.engine.Fetch(ctx, dir, name)
	if err == nil {
		f.recent.touch(e.Inode)
	}
	switch {
	case err != nil:
		return cache.Entry{}, err
	case e.Kind == cache.Dir:
		return cache.Entry{}, fmt.Errorf("%w: %q is a directory, of which the mirror has no file yet", cache.ErrNotFound, name)
	}
	return shown(e), nil
}

// shown is an entry of the side store as the mount shows it.
func shown(e cache.Entry) cache.Entry {
	e.Inode |= sideBit
	return e
}

// ours returns the side store's number of what a number is shown for; false: it is the mirror's.
func ours(ino cache.Inode) (cache.Inode, bool) { return ino &^ sideBit, ino&sideBit != 0 }

// directory is the side store's directory of an origin's name, which is made where it is not there.
// path is how the mirror shows it.
func (f *Files) directory(origin string, path []string) (cache.Inode, error) {
	dir, err := walk(f.store, path)
	if !errors.Is(err, cache.ErrNotFound) {
		return dir, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	page, err := f.mu.planner.Plan([]cache.Name{{Origin: origin, Size: -1}})
	if err != nil {
		return 0, err
	}
	dir, _ = page.Where(0)
	return dir, page.Close() // the directories are made; the name is not, until its file is here
}

// lookuper finds entries by their names.
type lookuper interface {
	Lookup(parent cache.Inode, name string) (cache.Entry, error)
}

// walk follows a path of directories. The error is cache.ErrNotFound where there is none.
func walk(in lookuper, path []string) (cache.Inode, error) {
	dir := cache.RootInode
	for _, name := range path {
		e, err := in.Lookup(dir, name)
		if other := cache.OtherForm(name); other != "" && (errors.Is(err, cache.ErrNotFound) || err == nil && e.Kind != cache.Dir) {
			e, err = in.Lookup(dir, other) // a file has the name
		}
		if err != nil {
			return 0, err
		}
		if e.Kind != cache.Dir {
			return 0, fmt.Errorf("%w: %q is a file", cache.ErrNotFound, name)
		}
		dir = e.Inode
	}
	return dir, nil
}

// where is the mirror's directory, and the name, of an origin's name.
func (f *Files) where(origin string) (parent cache.Inode, name string, err error) {
	path, err := cache.SplitName(nil, origin)
	if err != nil {
		return 0, "", err
	}
	last := len(path) - 1
	parent, err = walk(f.o.Tree, path[:last])
	return parent, path[last], err
}

// gone tells of a file under the number that its directory has in the mirror.
func (f *Files) gone(dir cache.Inode, name string) {
	if f.o.Gone == nil {
		return
	}
	origin, err := f.store.OriginName(dir, name)
	if err != nil {
		return // the next read that fails tells the kernel
	}
	if parent, name, err := f.where(origin); err == nil {
		f.o.Gone(parent, name)
	}
}

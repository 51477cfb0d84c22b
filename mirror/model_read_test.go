package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/motefs/motefs/cache"
)

// readPath reads a file as the mount does: from the store, or else from the engine.
func (m *model) readPath(path string) error {
	name, has := m.books.files[path]
	has = has && m.has(name)
	complete := m.store.ListingComplete()
	parent := cache.RootInode
	last := strings.LastIndexByte(path, '/') + 1
	for c := range strings.SplitSeq(strings.TrimSuffix(path[:last], "/"), "/") {
		if c == "" {
			continue
		}
		e, err := m.store.Lookup(parent, c)
		if errors.Is(err, cache.ErrNotFound) && (!complete || !has || m.unlisted[name]) {
			return nil // not listed yet
		}
		if err != nil || e.Kind != cache.Dir {
			return fmt.Errorf("its directory %q is %+v, %w", c, e, err)
		}
		parent = e.Inode
	}
	e, err := m.store.Lookup(parent, path[last:])
	switch {
	case err == nil && e.Here():
		return m.readInode(path, &e)
	case err == nil && e.State == cache.Gone, errors.Is(err, cache.ErrNotFound) && complete:
		err = cache.ErrNotFound
	case err == nil, errors.Is(err, cache.ErrNotFound):
		told := e
		if told.Promised() {
			if err := m.show(path, told.Inode); err != nil {
				return err
			}
		}
		e, err = m.engine.Fetch(context.Background(), parent, path[last:])
		if err == nil && told.Promised() && (e.Inode != told.Inode || e.Size != told.Size || e.ModTime != told.ModTime) {
			return fmt.Errorf("it was shown as %+v and is %+v", told, e)
		}
	}
	switch {
	case err == nil && e.Kind == cache.Dir && m.dirs[path]:
		return nil
	case err == nil:
		return m.readInode(path, &e)
	case errors.Is(err, cache.ErrNotFound) && (!has || m.unlisted[name] && m.store.ListingComplete() || m.notThere):
		return nil // what no page has is not there once the listing is complete
	case !errors.Is(err, cache.ErrNotFound) && m.troubled:
		return nil
	}
	return err
}

// readInode reads a file that a reader was shown, whole, in pieces.
func (m *model) readInode(path string, e *cache.Entry) error {
	const piece, patience = 40_000, time.Minute
	if err := m.show(path, e.Inode); err != nil {
		return err
	}
	if want := int64(len(m.bodies[path])); e.Size != want {
		return fmt.Errorf("%d bytes, and not %d", e.Size, want)
	}
	got := make([]byte, 0, e.Size+1)
	for {
		p := make([]byte, piece)
		n, arriving, err := m.engine.ReadAt(context.Background(), e.Inode, p, int64(len(got)), patience)
		if !arriving {
			n, err = m.store.ReadAt(e.Inode, p, int64(len(got)))
		}
		if err != nil && m.troubled {
			return nil // it was taken back
		}
		if err != nil {
			return fmt.Errorf("at byte %d: %w", len(got), err)
		}
		if n == 0 {
			return m.content(path, got)
		}
		got = append(got, p[:n]...)
	}
}

// list reads a directory from anywhere in it on, up to anywhere.
func (m *model) list() {
	before := m.sight()
	in, dir := "", cache.RootInode
	if dirs := slices.DeleteFunc(slices.Sorted(maps.Keys(before.inodes)), func(path string) bool { return !m.dirs[path] }); len(dirs) > 0 && m.rng.IntN(3) > 0 {
		path := dirs[m.rng.IntN(len(dirs))]
		in, dir = path+"/", before.inodes[path]
	}
	after, most := cache.Inode(0), 1<<30
	if all := slices.Sorted(maps.Values(before.inodes)); len(all) > 0 && m.rng.IntN(3) > 0 {
		after = all[m.rng.IntN(len(all))] + cache.Inode(m.rng.IntN(3)) - 1
	}
	if m.rng.IntN(3) == 0 {
		most = m.rng.IntN(20)
	}
	m.note("list %q after %d, at most %d", in, after, most)
	listed, last := map[string]bool{}, after
	err := m.store.ReadDir(dir, after, func(de cache.DirEntry) bool {
		if len(listed) == most {
			return false
		}
		path := in + string(de.Name)
		if de.Inode <= last {
			m.t.Errorf("%q is inode %d, after %d", path, de.Inode, last)
		}
		last, listed[path] = de.Inode, true
		if err := m.show(path, de.Inode); err != nil {
			m.t.Error(err)
		}
		return true
	})
	m.must(err)
	if len(listed) == most {
		return
	}
	for path, ino := range before.inodes {
		at := strings.LastIndexByte(path, '/') + 1
		if path[:at] == in && ino > after && !listed[path] && m.has(m.books.files[path]) {
			m.t.Errorf("%q, inode %d, is not listed after %d", path, ino, after)
		}
	}
}

package main

import "github.com/motefs/motefs/cache"

// noTree is what the page can read of a mirror that is elsewhere: a mount of it shows its names. It is a
// page.Tree.
type noTree struct{}

// Get has the root.
func (noTree) Get(ino cache.Inode) (cache.Entry, error) {
	if ino != cache.RootInode {
		return cache.Entry{}, cache.ErrNotFound
	}
	return cache.Entry{Inode: ino, Kind: cache.Dir, State: cache.Inline}, nil
}

func (noTree) Lookup(cache.Inode, string) (cache.Entry, error) {
	return cache.Entry{}, cache.ErrNotFound
}

func (noTree) Where(cache.Inode) (parent cache.Inode, name string, err error) {
	return 0, "", cache.ErrNotFound
}

func (noTree) ReadNames(cache.Inode, string, func([]byte, cache.Entry, error) bool) error { return nil }

func (noTree) ReadNamesBack(cache.Inode, string, func([]byte, cache.Entry, error) bool) error {
	return nil
}

func (noTree) ReadAt(cache.Inode, []byte, int64) (int, error) { return 0, cache.ErrNotFound }

func (noTree) FailureOf(cache.Inode) (cache.Failure, error) {
	return cache.Failure{}, cache.ErrNotFound
}

func (noTree) Failures(cache.Inode, func(cache.Inode, cache.Failure) bool) error { return nil }

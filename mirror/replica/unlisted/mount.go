package unlisted

import (
	"context"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/replica"
)

// Names are the names of a mirror, and by their numbers unlisted files too: a Store of package fs.
type Names struct {
	*replica.Names
	f *Files
}

// Names returns what a mount reads.
func (f *Files) Names(of *replica.Names) *Names { return &Names{of, f} }

// Get is that of fs.Store.
func (n *Names) Get(ino cache.Inode) (cache.Entry, error) {
	side, ok := ours(ino)
	if !ok {
		return n.Names.Get(ino)
	}
	e, err := n.f.store.Get(side)
	return shown(e), err
}

// Where is that of fs.Store.
func (n *Names) Where(ino cache.Inode) (parent cache.Inode, name string, err error) {
	side, ok := ours(ino)
	if !ok {
		return n.Names.Where(ino)
	}
	origin, err := n.f.store.NameOf(side)
	if err != nil {
		return 0, "", err
	}
	return n.f.where(origin)
}

// NameOf is that of fs.Store.
func (n *Names) NameOf(ino cache.Inode) (string, error) {
	if side, ok := ours(ino); ok {
		return n.f.store.NameOf(side)
	}
	return n.Names.NameOf(ino)
}

// ReadAt is that of fs.Store.
func (n *Names) ReadAt(ino cache.Inode, p []byte, off int64) (int, error) {
	if side, ok := ours(ino); ok {
		n.f.recent.touch(side)
		return n.f.store.ReadAt(side, p, off)
	}
	return n.Names.ReadAt(ino, p, off)
}

// Contents are the contents of a mirror, and of unlisted files: a Contents of package fs.
type Contents struct {
	*replica.Contents
	f *Files
}

// Contents returns what brings files to a mount.
func (f *Files) Contents(of *replica.Contents) *Contents { return &Contents{of, f} }

// Arriving is that of fs.Arrivals.
func (c *Contents) Arriving(ino cache.Inode) (*cache.Entry, error) {
	side, ok := ours(ino)
	if !ok {
		return c.Contents.Arriving(ino)
	}
	e, err := c.f.engine.Arriving(side)
	return shownTo(e), err
}

// Shown is that of fs.Arrivals.
func (c *Contents) Shown(ino cache.Inode) (arriving *cache.Entry, generation uint64) {
	side, ok := ours(ino)
	if !ok {
		return c.Contents.Shown(ino)
	}
	e, generation := c.f.engine.Shown(side)
	return shownTo(e), generation
}

// ReadAt is that of fs.Arrivals.
func (c *Contents) ReadAt(ctx context.Context, ino cache.Inode, p []byte, off int64, patience time.Duration) (n int, ok bool, err error) {
	if side, ok := ours(ino); ok {
		c.f.recent.touch(side)
		return c.f.engine.ReadAt(ctx, side, p, off, patience)
	}
	return c.Contents.ReadAt(ctx, ino, p, off, patience)
}

// shownTo is shown of an entry that may be none.
func shownTo(e *cache.Entry) *cache.Entry {
	if e == nil {
		return nil
	}
	at := shown(*e)
	return &at
}

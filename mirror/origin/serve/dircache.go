package serve

import (
	"errors"
	"io"
	iofs "io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// readDirBatch is how many entries are read from a directory at a time.
	readDirBatch = 4096

	// settled is how long a directory must not have changed before its
	// entries are kept: within one tick of the file system's clock a change
	// need not show in the modification time.
	settled = 2 * time.Second
)

// dirCache keeps the sorted entries of one directory for each level of the
// tree, the one last read. Pages come in order, so without it a directory of a
// million files would be read and sorted for each of its thousand pages.
type dirCache struct {
	mu struct {
		sync.Mutex
		levels []dirKeys
	}
}

// dirKeys are the entries of a directory by the keys that sort them: a file's
// name, or a directory's with a slash, so that the order of the keys is that
// of the whole paths.
type dirKeys struct {
	path    string
	modTime time.Time
	keys    []string
}

// read returns the keys of the directory at path, which is empty or ends in a
// slash, from the cache or the disk. They are shared and must not be changed.
func (c *dirCache) read(t *Tree, path string, depth int) (keys []string, err error) {
	d, err := t.root.Open(path + ".")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	info, err := d.Stat()
	if err != nil {
		return nil, err
	}
	if keys, ok := c.lookup(path, info.ModTime(), depth); ok {
		return keys, nil
	}
	read := time.Now()
	if keys, err = t.readKeys(d, path); err != nil {
		return nil, err
	}
	if read.Sub(info.ModTime()) > settled {
		c.store(dirKeys{path, info.ModTime(), keys}, depth)
	}
	return keys, nil
}

// lookup returns the keys of a directory that has not changed.
func (c *dirCache) lookup(path string, modTime time.Time, depth int) ([]string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if depth >= len(c.mu.levels) {
		return nil, false
	}
	d := c.mu.levels[depth]
	return d.keys, d.keys != nil && d.path == path && d.modTime.Equal(modTime)
}

// store keeps a directory in place of the last one of its level, and drops the
// levels below, which were of other directories.
func (c *dirCache) store(d dirKeys, depth int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.mu.levels) <= depth {
		c.mu.levels = append(c.mu.levels, dirKeys{})
	}
	clear(c.mu.levels[depth+1:])
	c.mu.levels[depth] = d
}

// readKeys reads and sorts a directory's files and directories.
func (t *Tree) readKeys(d *os.File, path string) ([]string, error) {
	keys := []string{}
	for {
		entries, err := d.ReadDir(readDirBatch)
		for _, entry := range entries {
			switch kind := entry.Type(); {
			case kind.IsRegular():
				keys = append(keys, entry.Name())
			case kind&iofs.ModeDir != 0:
				keys = append(keys, entry.Name()+"/")
			default:
				t.leftOut(kindOf(kind), path+entry.Name())
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 && path != "" {
		t.leftOut("empty directories", path)
	}
	slices.Sort(keys)
	return keys, nil
}

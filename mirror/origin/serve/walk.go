package serve

import (
	"encoding/base64"
	"errors"
	iofs "io/fs"
	"sort"
	"strings"
	"syscall"
)

// The marker of a tree is its page's last path in base64. To find the page
// after it the walk goes down along that path, and in each directory on the
// way skips what sorts before it.

// Page lists the paths after the one that marker says.
func (t *Tree) Page(marker string, limit int, add func(name []byte)) (string, error) {
	after, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil || len(after) > 0 && !validPath(after) {
		return "", ErrMarker
	}
	w := walk{t: t, left: limit, add: add}
	err = w.dir(0, string(after))
	if errors.Is(err, errPageFull) {
		return base64.RawURLEncoding.EncodeToString(w.last), nil
	}
	return "", err
}

// errPageFull ends a walk that has found one file more than the page takes.
var errPageFull = errors.New("page is full")

// walk is the walk of one page.
type walk struct {
	t    *Tree
	left int // how many names the page still takes
	add  func(name []byte)
	path []byte // the directory that the walk is in, with its last slash
	last []byte // the last name of the page
}

// dir walks the directory at w.path, from after on, a path relative to it; the
// empty one is before everything.
func (w *walk) dir(depth int, after string) error {
	keys, err := w.t.cache.read(w.t.root, string(w.path), depth)
	if err != nil {
		if depth > 0 && (errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
			return nil // removed, or replaced, since its parent was read
		}
		return err
	}
	elem, rest, below := strings.Cut(after, "/")
	if below {
		elem += "/"
	}
	from := sort.SearchStrings(keys, elem)
	for _, key := range keys[from:] {
		switch {
		case strings.HasSuffix(key, "/"):
			if key != elem {
				rest = ""
			}
			err = w.down(depth, key, rest)
		case key == elem:
			// The marker's own file, listed on the page before.
		default:
			err = w.file(key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// down walks a directory below the present one.
func (w *walk) down(depth int, key, after string) error {
	here := len(w.path)
	w.path = append(w.path, key...)
	err := w.dir(depth+1, after)
	w.path = w.path[:here]
	return err
}

// file lists one file of the present directory.
func (w *walk) file(key string) error {
	if w.left <= 0 {
		return errPageFull
	}
	w.left--
	w.last = append(append(w.last[:0], w.path...), key...)
	w.add(w.last)
	return nil
}

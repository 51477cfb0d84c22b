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
	from := ""
	if len(after) > 0 {
		from = string(after) + "\x00" // no path is between the two
	}
	var last []byte // the last name of the page
	w := walk{t: t, file: func(name []byte) error {
		if limit <= 0 {
			return errPageFull
		}
		limit--
		last = append(last[:0], name...)
		add(name)
		return nil
	}}
	err = w.dir(0, from)
	if errors.Is(err, errPageFull) {
		return base64.RawURLEncoding.EncodeToString(last), nil
	}
	return "", err
}

// Keys implements KeyLister. A file that has vanished since its directory was read
// is left out.
func (t *Tree) Keys(from []byte, add func(*Key) bool) error {
	var key Key
	var o Object
	w := walk{t: t, file: func(name []byte) error {
		info, err := t.root.Lstat(string(name))
		if err != nil {
			if isAbsent(err) {
				return nil
			}
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		o.describe(info)
		key = Key{Name: name, Size: o.Size, ModTime: o.ModTime, ETag: o.ETag}
		if !add(&key) {
			return errPageFull
		}
		return nil
	}}
	err := w.dir(0, string(from))
	if errors.Is(err, errPageFull) {
		return nil
	}
	return err
}

// errPageFull ends a walk that has found one file more than the page takes.
var errPageFull = errors.New("page is full")

// walk is the walk of one page.
type walk struct {
	t    *Tree
	file func(path []byte) error // called for each file, does not keep the path
	path []byte                  // the directory that the walk is in, with its last slash
}

// dir walks the directory at w.path, from after on: any bytes, compared with the
// paths of its files relative to it.
func (w *walk) dir(depth int, after string) error {
	keys, err := w.t.cache.read(w.t, string(w.path), depth)
	if err != nil {
		if depth > 0 && (errors.Is(err, iofs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
			return nil // removed, or replaced, since its parent was read
		}
		if w.t.Unreadable != nil {
			w.t.unreadable.Do(func() { w.t.Unreadable(string(w.path), err) })
		}
		return err
	}
	elem, rest, below := strings.Cut(after, "/")
	if below {
		elem += "/"
	}
	from := sort.SearchStrings(keys, elem)
	for _, key := range keys[from:] {
		if key != elem {
			rest = ""
		}
		if strings.HasSuffix(key, "/") {
			err = w.down(depth, key, rest)
		} else {
			here := len(w.path)
			w.path = append(w.path, key...)
			err = w.file(w.path)
			w.path = w.path[:here]
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

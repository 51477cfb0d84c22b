package page

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/motefs/motefs/cache"
)

// Tree is what a page reads of a store; *cache.Store is one. Nothing of it asks the
// origin.
type Tree interface {
	Get(cache.Inode) (cache.Entry, error)
	Lookup(parent cache.Inode, name string) (cache.Entry, error)
	Where(cache.Inode) (parent cache.Inode, name string, err error)
	ReadNames(dir cache.Inode, from string, fn func([]byte, cache.Entry, error) bool) error
	ReadNamesBack(dir cache.Inode, before string, fn func([]byte, cache.Entry, error) bool) error
	ReadAt(ino cache.Inode, p []byte, off int64) (int, error)
	FailureOf(cache.Inode) (cache.Failure, error)
	Failures(from cache.Inode, fn func(cache.Inode, cache.Failure) bool) error
}

const (
	// maxEntries is how many entries of a directory are shown at a time.
	maxEntries = 500
	// maxCrumbs is how many directories of the way to one are shown.
	maxCrumbs = 32
	// maxFrom bounds the text that names are looked for by, in bytes.
	maxFrom = 1 << 10
)

// The states of an entry.
const (
	stateFetched = "fetched"
	statePending = "pending"
	stateFailed  = "failed"
	stateGone    = "gone"
	stateDamaged = "damaged"
)

// entry is one entry of a directory. Numbers of inodes are text, as JavaScript has no
// integers over 2^53.
type entry struct {
	Inode cache.Inode `json:"inode,string"`
	Kind  string      `json:"kind"` // file or directory
	Name  shownName   `json:"name"`
	Key   string      `json:"key"`
	State string      `json:"state,omitempty"` // of a file
	// Size is in bytes, null where it is not known; times are in seconds since 1970, 0
	// where they are not.
	Size     *int64 `json:"size"`
	Modified int64  `json:"modified,omitempty"`
	Fetched  int64  `json:"fetched,omitempty"`
	// Reason is why a file failed, or what is damaged.
	Reason string `json:"reason,omitempty"`
}

// crumb is a directory on the way to another.
type crumb struct {
	Inode cache.Inode `json:"inode,string"`
	Name  shownName   `json:"name"` // [""] for the root
	Key   string      `json:"key"`
}

// listing is a part of a directory.
type listing struct {
	Dir     cache.Inode `json:"dir,string"`
	Path    []crumb     `json:"path"` // from the root, or the maxCrumbs last ones, to the directory
	Cut     bool        `json:"cut"`  // the root is not among them
	Entries []entry     `json:"entries"`
	// Before and After are the keys to go on with in either direction; null: there are
	// no entries.
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// files answers with a part of a directory: the entries after a key, before one, from one
// or from a text on, the last ones (end), or the first ones.
func (p *Page) files(r *http.Request) (any, error) {
	dir, err := inodeOf(r, "dir", cache.RootInode)
	if err != nil {
		return nil, err
	}
	e, err := p.o.Tree.Get(dir)
	if err != nil {
		return nil, err
	}
	if e.Kind != cache.Dir {
		return nil, fmt.Errorf("directory %d: it is a file: %w", dir, cache.ErrNotFound)
	}
	from, back, err := place(r)
	if err != nil {
		return nil, err
	}
	l := listing{Dir: dir, Entries: []entry{}}
	if l.Path, l.Cut, err = p.path(dir); err != nil {
		return nil, err
	}
	first, last, err := p.entries(&l, from, back)
	if err != nil {
		return nil, err
	}
	if first != "" {
		l.Before, err = p.beyond(p.o.Tree.ReadNamesBack, dir, first, first)
	}
	if err == nil && last != "" {
		l.After, err = p.beyond(p.o.Tree.ReadNames, dir, successor(last), last)
	}
	return l, err
}

// place is where a part of a directory is to begin, or, back, before which name it is to
// end: "" is then the end.
func place(r *http.Request) (name string, back bool, err error) {
	q := r.URL.Query()
	switch {
	case q.Get("end") != "":
		return "", true, nil
	case q.Get("before") != "":
		name, err = nameOf(q.Get("before"))
		return name, true, err
	case q.Get("at") != "":
		name, err = nameOf(q.Get("at"))
		return name, false, err
	case q.Get("after") != "":
		name, err = nameOf(q.Get("after"))
		return successor(name), false, err
	}
	name = q.Get("from")
	if len(name) > maxFrom {
		return "", false, fmt.Errorf("%w: from is over %d bytes long", errRequest, maxFrom)
	}
	return name, false, nil
}

// successor is the first name behind another: no name of an entry has a NUL.
func successor(name string) string { return name + "\x00" }

// entries fills a listing, and returns its first and its last name. Where it has none
// first is where it would begin.
func (p *Page) entries(l *listing, from string, back bool) (first, last string, err error) {
	var failed []int
	take := func(name []byte, e cache.Entry, err error) bool {
		l.Entries = append(l.Entries, entryOf(string(name), e, err))
		if e.State == cache.Pending && e.Kind == cache.File && err == nil {
			failed = append(failed, len(l.Entries)-1)
		}
		if last == "" {
			first = string(name)
		}
		last = string(name)
		return len(l.Entries) < maxEntries
	}
	if back {
		err = p.o.Tree.ReadNamesBack(l.Dir, from, take)
	} else {
		err = p.o.Tree.ReadNames(l.Dir, from, take)
	}
	for _, k := range failed {
		if err == nil {
			err = p.whyPending(&l.Entries[k])
		}
	}
	if back {
		slices.Reverse(l.Entries)
		first, last = last, first
	}
	if len(l.Entries) == 0 {
		first = from
	}
	return first, last, err
}

// beyond returns the key of a name if there is an entry in that direction.
func (p *Page) beyond(read func(cache.Inode, string, func([]byte, cache.Entry, error) bool) error, dir cache.Inode, at, name string) (*string, error) {
	var key *string
	err := read(dir, at, func([]byte, cache.Entry, error) bool {
		text := keyOf(name)
		key = &text
		return false
	})
	return key, err
}

func entryOf(name string, e cache.Entry, err error) entry {
	it := entry{Inode: e.Inode, Kind: "file", Name: shown(name), Key: keyOf(name), Modified: e.ModTime, Fetched: e.Fetched}
	if err != nil {
		it.State, it.Reason = stateDamaged, err.Error()
		return it
	}
	if e.Kind == cache.Dir {
		it.Kind = "directory"
		return it
	}
	if e.Size >= 0 {
		it.Size = &e.Size
	}
	switch e.State {
	case cache.Pending:
		it.State = statePending
	case cache.Gone:
		it.State, it.Size = stateGone, nil
	default:
		it.State = stateFetched
	}
	return it
}

// whyPending tells a file that failed from one that was not fetched yet.
func (p *Page) whyPending(e *entry) error {
	f, err := p.o.Tree.FailureOf(e.Inode)
	if errors.Is(err, cache.ErrNotFound) {
		return nil
	}
	if err == nil {
		e.State, e.Reason = stateFailed, f.Reason
	}
	return err
}

// path is the way to a directory.
func (p *Page) path(dir cache.Inode) (path []crumb, cut bool, err error) {
	for dir != cache.RootInode {
		if len(path) == maxCrumbs {
			cut = true
			break
		}
		up, name, err := p.o.Tree.Where(dir)
		if err != nil {
			return nil, false, err
		}
		path = append(path, crumb{Inode: dir, Name: shown(name), Key: keyOf(name)})
		dir = up
	}
	if !cut {
		path = append(path, crumb{Inode: cache.RootInode, Name: shown("")})
	}
	slices.Reverse(path)
	return path, cut, nil
}

// inodeOf is a parameter of a request that is an inode number.
func inodeOf(r *http.Request, key string, missing cache.Inode) (cache.Inode, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == ^uint64(0) {
		return 0, fmt.Errorf("%w: %s is no inode number", errRequest, key)
	}
	return cache.Inode(n), nil
}

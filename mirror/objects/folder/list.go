package folder

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"slices"
	"strings"

	"github.com/motefs/motefs/mirror/objects"
)

const (
	// listAtOnce bounds the entries of one folder that are held; one with more is read
	// as often as it has so many. With objects.MaxDepth, a listing holds some 25 MB at
	// most.
	listAtOnce = 32 << 10
	// readAtOnce is how many entries are asked for at a time.
	readAtOnce = 1024
)

// List implements objects.Store.
func (s *Store) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	if err := objects.CheckPrefix(prefix); err != nil {
		return err
	}
	if s.closed.Load() {
		return fmt.Errorf("list %q: %w", prefix, objects.ErrClosed)
	}
	l := &listing{s: s, ctx: ctx, prefix: prefix, after: after, fn: fn, most: s.listAtOnce}
	_, err := l.folder(prefix[:strings.LastIndexByte(prefix, '/')+1], 1)
	return err
}

// listing is a listing under way.
type listing struct {
	s             *Store
	ctx           context.Context
	prefix, after string
	fn            func(objects.Info) bool
	most          int
}

// folder lists what is in a folder, "" or a name with a slash at its end. Entries are sorted
// by what the names begin with that they stand for: those of a folder with its slash. more
// says that fn wants to go on.
func (l *listing) folder(dir string, depth int) (more bool, err error) {
	if depth > objects.MaxDepth {
		return true, nil // nothing there is an object
	}
	for behind := ""; ; {
		found, err := l.read(dir, behind)
		if err != nil {
			return false, err
		}
		for _, key := range found.keys {
			if more, err := l.entry(key, depth); err != nil || !more {
				return false, err
			}
		}
		if found.all {
			return true, nil
		}
		behind = found.keys[len(found.keys)-1]
	}
}

// entry lists an entry of a folder, and what is in it.
func (l *listing) entry(key string, depth int) (more bool, err error) {
	if strings.HasSuffix(key, "/") {
		return l.folder(key, depth+1)
	}
	info, err := call(l.ctx, l.s, func() (iofs.FileInfo, error) { return l.s.root.Lstat(key) }, nil)
	switch {
	case l.ctx.Err() != nil:
		return false, errors.Join(err, context.Cause(l.ctx))
	case missing(err):
		return true, nil // deleted meanwhile
	case err != nil:
		return false, l.s.explain("list", key, err)
	case !info.Mode().IsRegular():
		return true, nil
	}
	return l.fn(objects.Info{Name: key, Size: info.Size(), ModTime: info.ModTime()}), nil
}

// entries are keys of a folder, sorted, and whether these are all.
type entries struct {
	keys []string
	all  bool
}

// read returns the first keys of a folder behind one. However long that takes, each piece is a call
// of its own.
func (l *listing) read(dir, behind string) (entries, error) {
	f, err := call(l.ctx, l.s, func() (*os.File, error) { return l.s.root.Open(dir + ".") }, func(f *os.File) {
		if f != nil {
			_ = f.Close() // it was not read
		}
	})
	if missing(err) {
		return entries{all: true}, nil
	}
	if err != nil {
		return entries{}, l.s.explain("list", dir, err)
	}
	// Who reads a folder reads into a buffer that Close gives to others: so it comes after that, however
	// late.
	left := false
	defer func() {
		if !left {
			l.s.closeSoon(f)
		}
	}()
	first := &smallest{most: l.most}
	for {
		if l.ctx.Err() != nil {
			return entries{}, context.Cause(l.ctx)
		}
		began := false
		some, err := call(l.ctx, l.s, func() ([]iofs.DirEntry, error) {
			began = true
			return l.s.readDir(f, readAtOnce)
		}, func([]iofs.DirEntry) {
			if began {
				_ = f.Close() // nobody wants what was read
			} else {
				l.s.closeSoon(f)
			}
		})
		if errors.Is(err, ErrHangs) {
			left = true
			return entries{}, err
		}
		for _, e := range some {
			if key := dir + e.Name(); objects.ValidPart(e.Name()) && (e.IsDir() || e.Type().IsRegular()) {
				if e.IsDir() {
					key += "/"
				}
				if key > behind && l.wanted(key) {
					first.add(key)
				}
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, iofs.ErrNotExist) {
			slices.Sort(first.keys)
			return entries{first.keys, !first.more}, nil
		}
		if err != nil {
			return entries{}, l.s.explain("list", dir, err)
		}
	}
}

// wanted reports whether a key, or one that begins with it, may be listed.
func (l *listing) wanted(key string) bool {
	if strings.HasSuffix(key, "/") {
		return (strings.HasPrefix(key, l.prefix) || strings.HasPrefix(l.prefix, key)) && (key > l.after || strings.HasPrefix(l.after, key))
	}
	return strings.HasPrefix(key, l.prefix) && key > l.after
}

// smallest keeps the smallest keys, at most that many.
type smallest struct {
	keys []string // once there are enough a heap, the greatest first
	most int
	more bool // some were left out
}

func (s *smallest) add(key string) {
	switch {
	case len(s.keys) < s.most:
		if s.keys = append(s.keys, key); len(s.keys) == s.most {
			heap.Init(s)
		}
		return
	case key < s.keys[0]:
		s.keys[0] = key
		heap.Fix(s, 0)
	}
	s.more = true
}

func (s *smallest) Len() int           { return len(s.keys) }
func (s *smallest) Less(i, j int) bool { return cmp.Less(s.keys[j], s.keys[i]) }
func (s *smallest) Swap(i, j int)      { s.keys[i], s.keys[j] = s.keys[j], s.keys[i] }
func (s *smallest) Push(any)           {}
func (s *smallest) Pop() any           { return nil }

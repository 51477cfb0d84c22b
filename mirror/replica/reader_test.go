package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs"
)

// A replica is what a mount needs.
var (
	_ fs.Store    = (*Names)(nil)
	_ fs.Contents = (*Contents)(nil)
)

// reader asks a replica as package fs does.
type reader struct {
	r        *Replica
	names    *Names
	contents *Contents
	random   *rand.Rand
}

func newReader(r *Replica, seed uint64) *reader {
	return &reader{r: r, names: r.Names(), contents: r.Contents(), random: rand.New(rand.NewPCG(seed, 3))}
}

// lookup is a LOOKUP.
func (rd *reader) lookup(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
	complete := rd.names.ListingComplete()
	e, err := rd.names.Lookup(parent, name)
	switch {
	case err == nil && (e.Kind == cache.Dir || e.Here() || e.Promised()):
		return e, nil
	case err == nil && e.State == cache.Gone, errors.Is(err, cache.ErrNotFound) && complete:
		return e, cache.ErrNotFound
	case err == nil || errors.Is(err, cache.ErrNotFound):
		e, err = rd.contents.Fetch(ctx, parent, name)
		if err == nil && e.Kind == cache.File && !e.Here() {
			return e, fmt.Errorf("fetched, but not here: %+v", e)
		}
	}
	return e, err
}

// walk looks a path up.
func (rd *reader) walk(ctx context.Context, path []string) (e cache.Entry, err error) {
	e.Inode = cache.RootInode
	for _, name := range path {
		if e, err = rd.lookup(ctx, e.Inode, name); err != nil {
			return e, err
		}
	}
	return e, nil
}

// readSome is a READ.
func (rd *reader) readSome(ctx context.Context, ino cache.Inode, p []byte, off int64) (int, error) {
	n, err := rd.names.ReadAt(ino, p, off)
	if !errors.Is(err, cache.ErrNotFound) {
		return n, err
	}
	e, err := rd.names.Get(ino)
	switch {
	case err != nil:
		return 0, err
	case !e.Here() && !e.Promised():
		return 0, fmt.Errorf("read inode %d: stale: %+v", ino, e)
	case !e.Here():
		parent, name, err := rd.names.Where(ino)
		if err != nil {
			return 0, err
		}
		if e, err = rd.contents.Fetch(ctx, parent, name); err != nil {
			return 0, err
		}
		if e.Inode != ino {
			return 0, errStale
		}
	}
	return rd.names.ReadAt(ino, p, off)
}

var errStale = errors.New("stale")

// read reads a file to its end, in pieces.
func (rd *reader) read(ctx context.Context, e cache.Entry) ([]byte, error) {
	var all []byte
	for {
		p := make([]byte, 1+rd.random.IntN(100_000))
		n, err := rd.readSome(ctx, e.Inode, p, int64(len(all)))
		all = append(all, p[:n]...)
		if err != nil || n < len(p) {
			return all, err
		}
	}
}

// list reads a directory, a few names at a time.
func (rd *reader) list(ctx context.Context, dir cache.Inode) (all []cache.DirEntry, err error) {
	for {
		after := cache.Inode(0)
		if len(all) > 0 {
			after = all[len(all)-1].Inode
		}
		if err := rd.r.Ready(ctx, dir, after); err != nil {
			return all, err
		}
		most, before := 1+rd.random.IntN(50), len(all)
		take := func(d cache.DirEntry) bool {
			if len(all)-before == most {
				return false
			}
			d.Name = bytes.Clone(d.Name)
			all = append(all, d)
			return true
		}
		if rd.random.IntN(2) == 0 {
			err = rd.names.ReadDir(dir, after, take)
		} else {
			err = rd.names.ReadDirPlus(dir, after, func(d cache.DirEntry, _ cache.Entry, bad error) bool {
				if err == nil {
					err = bad
				}
				return take(d)
			})
		}
		if errors.Is(err, cache.ErrNotReady) && len(all) == before {
			continue
		}
		if err != nil || len(all) == before {
			return all, err
		}
	}
}

// tree returns all files, by their names at the origin.
func (rd *reader) tree(ctx context.Context, dir cache.Inode, files map[string]cache.DirEntry) error {
	entries, err := rd.list(ctx, dir)
	if err != nil {
		return err
	}
	shown := map[string]bool{}
	for _, d := range entries {
		if shown[string(d.Name)] {
			return fmt.Errorf("directory %d shows %q twice", dir, d.Name)
		}
		shown[string(d.Name)] = true
		if d.Kind == cache.Dir {
			if err := rd.tree(ctx, d.Inode, files); err != nil {
				return err
			}
			continue
		}
		name, err := rd.names.NameOf(d.Inode)
		if err != nil {
			return err
		}
		if _, twice := files[name]; twice {
			return fmt.Errorf("%q is there twice", name)
		}
		files[name] = d
	}
	return nil
}

// check compares a file with the truth.
func (w *world) check(ctx context.Context, rd *reader, parent cache.Inode, shown, name string) error {
	f := w.truth[name]
	e, err := rd.lookup(ctx, parent, shown)
	if err == nil {
		var content []byte
		if content, err = rd.read(ctx, e); errors.Is(err, errStale) {
			// It turned out another than was listed.
			if e, err = rd.lookup(ctx, parent, shown); err == nil {
				content, err = rd.read(ctx, e)
			}
		}
		if err == nil && (!bytes.Equal(content, f.content) || e.Size != int64(len(content)) || f.failed || f.gone) {
			return fmt.Errorf("%q: %d bytes that are not the origin's %d: %+v", name, len(content), len(f.content), e)
		}
	}
	switch {
	case f.failed && errors.Is(err, ErrNotFetched), f.gone && errors.Is(err, cache.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// checkAll compares all that a reader sees with what is sealed.
func (w *world) checkAll(ctx context.Context, rd *reader) error {
	files := map[string]cache.DirEntry{}
	if err := rd.tree(ctx, cache.RootInode, files); err != nil {
		return err
	}
	for name, d := range files {
		f, ok := w.truth[name]
		if !ok || !w.sealed[name] || f.gone {
			return fmt.Errorf("%q is shown: sealed %v, %+v", name, w.sealed[name], f.gone)
		}
		parent, shown, err := rd.names.Where(d.Inode)
		if err != nil {
			return err
		}
		if err := w.check(ctx, rd, parent, shown, name); err != nil {
			return err
		}
	}
	if !w.inOrder() {
		return nil // directories may be in segments that are not sealed
	}
	for name := range w.sealed {
		if _, shown := files[name]; !shown && !w.truth[name].gone {
			return fmt.Errorf("%q is sealed, and not shown", name)
		}
	}
	return nil
}

// checkSome looks some names up by their paths, sealed or not.
func (w *world) checkSome(ctx context.Context, rd *reader, n int) error {
	for range n {
		name := w.listing[rd.random.IntN(len(w.listing))].Origin
		path, err := cache.SplitName(nil, name)
		if err != nil {
			return err
		}
		if _, both := w.truth["d1"]; both && path[0] == "d1" {
			continue // a file and a directory: one of them is shown in another form
		}
		if !w.sealed[name] {
			if e, err := rd.walk(ctx, path); !errors.Is(err, cache.ErrNotFound) {
				return fmt.Errorf("%q is not sealed: %+v, %w", name, e, err)
			}
			continue
		}
		dir, err := rd.walk(ctx, path[:len(path)-1])
		if errors.Is(err, cache.ErrNotFound) && !w.inOrder() {
			continue
		}
		if err != nil {
			return fmt.Errorf("directory of %q: %w", name, err)
		}
		if err := w.check(ctx, rd, dir.Inode, path[len(path)-1], name); err != nil {
			return err
		}
		if _, err := rd.lookup(ctx, dir.Inode, "nobody"); !errors.Is(err, cache.ErrNotFound) {
			return fmt.Errorf("a name that is nowhere: %w", err)
		}
	}
	return nil
}

// forSeeds runs a test for a few worlds.
func forSeeds(t *testing.T, n int, test func(t *testing.T, seed uint64, o worldOptions)) {
	given := os.Getenv("MOTEFS_TEST_SEED") // to see a failure again
	if given != "" {
		n = 1
	}
	for range n {
		seed := rand.Uint64()
		if given != "" {
			var err error
			if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		random := rand.New(rand.NewPCG(seed, 9))
		o := worldOptions{
			files: 50 + random.IntN(400), shuffled: random.IntN(3) == 0, sizes: random.IntN(2) == 0,
			odd: random.IntN(2) == 0, blobs: random.IntN(2) == 0, flat: random.IntN(4) == 0,
		}
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Logf("%+v", o)
			test(t, seed, o)
		})
	}
}

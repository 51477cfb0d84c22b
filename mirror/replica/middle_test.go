package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// middle is a reader of a directory that stands in its middle.
type middle struct {
	path string // with a slash at its end, but that of the root
	dir  cache.Inode
	// must are the names that it has to see: those that were sealed when it began.
	must []string
	seen []cache.DirEntry
}

// middles has readers stand in the middle of directories while anything else happens.
type middles struct {
	model
	readers []*middle
	ended   int
}

// TestReadersInTheMiddle has directories be read that have files and directories of many segments,
// a few names at a time. In between segments are made and sealed in any order, their directories come,
// or their names, by themselves or not, and the mount is restarted. Each reader sees names in the order of
// their numbers, none twice, none that is not sealed, and all that were sealed when it began.
func TestReadersInTheMiddle(t *testing.T) {
	forSeeds(t, 3*seeds, func(t *testing.T, seed uint64, o worldOptions) {
		o.files, o.odd, o.blobs, o.mixed = min(o.files, 200), false, false, true
		o.deep = !o.flat && seed%2 == 0
		store := objectstest.New(objectstest.Options{})
		m := &middles{model: model{
			world: newWorld(t, seed, store, o), t: t, dir: t.TempDir() + "/store", seed: seed, store: store,
			quiet: seed%3 > 0,
		}}
		m.grow(1 + m.random.IntN(20))
		m.seal(nil)
		m.open()
		for range 150 {
			m.must(m.step())
		}
		for m.listed < len(m.listing) {
			m.grow(1 + m.random.IntN(30))
		}
		m.seal(nil)
		m.caughtUp()
		for len(m.readers) > 0 {
			m.must(m.read(m.readers[0]))
		}
		m.must(m.checkAll(t.Context(), m.rd))
		if m.ended < 5 {
			t.Errorf("%d readers came to their end", m.ended)
		}
	})
}

func (m *middles) step() error {
	switch m.random.IntN(8) {
	case 0:
		return m.happen()
	case 1:
		if m.random.IntN(4) == 0 {
			m.must(m.rd.r.Close())
			m.open()
		}
		return nil
	case 2, 3:
		return m.begin()
	}
	if len(m.readers) == 0 {
		return nil
	}
	return m.read(m.readers[m.random.IntN(len(m.readers))])
}

// happen has something happen that readers do not do.
func (m *middles) happen() error {
	ctx, segs := m.t.Context(), m.rd.r.catalog.Load().segs
	s := segs[m.random.IntN(len(segs))]
	switch m.random.IntN(6) {
	case 0:
		if m.listed < len(m.listing)-1 {
			m.grow(1 + m.random.IntN(min(10, len(m.listing)-m.listed-1)))
		}
	case 1:
		if m.listed < len(m.listing) {
			m.seal(func(uint64) bool { return m.random.IntN(2) == 0 })
			m.caughtUp()
		}
	case 2, 3:
		return m.rd.r.dirsOf(ctx, s, m.rd.r.share)
	default:
		return m.rd.r.namesOf(ctx, s, m.rd.r.share)
	}
	return nil
}

// begin has a directory begin to be read.
func (m *middles) begin() error {
	var dirs []string
	for name := range m.segmentOf {
		if strings.HasSuffix(name, "/") {
			dirs = append(dirs, name)
		}
	}
	r := &middle{dir: cache.RootInode}
	if slices.Sort(dirs); len(dirs) > 0 && m.random.IntN(3) > 0 {
		r.path = dirs[m.random.IntN(len(dirs))]
		dir, err := m.rd.walk(m.t.Context(), strings.Split(strings.TrimSuffix(r.path, "/"), "/"))
		if errors.Is(err, cache.ErrNotFound) && !m.shows(r.path) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("directory %q: %w", r.path, err)
		}
		r.dir = dir.Inode
	}
	for name := range m.segmentOf {
		if child, ok := r.child(name); ok && m.here(name) {
			r.must = append(r.must, child)
		}
	}
	m.readers = append(m.readers, r)
	return nil
}

// child is what a name is called in the directory, where it stands there.
func (r *middle) child(name string) (child string, ok bool) {
	rest, below := strings.CutPrefix(name, r.path)
	child = strings.TrimSuffix(rest, "/")
	return child, below && child != "" && !strings.Contains(child, "/")
}

// here reports whether the segment of a name or a directory is sealed.
func (m *middles) here(name string) bool {
	seq, made := m.segmentOf[name]
	return made && m.rd.r.catalog.Load().bySeq(seq) != nil
}

// shows reports whether a directory is to be found: it and all above it are sealed.
func (m *middles) shows(path string) bool {
	for k := range path {
		if path[k] == '/' && !m.here(path[:k+1]) {
			return false
		}
	}
	return true
}

// read has a reader go on, and something happen before it does.
func (m *middles) read(r *middle) error {
	after, before := cache.Inode(0), len(r.seen)
	if before > 0 {
		after = r.seen[before-1].Inode
	}
	if err := m.rd.r.Ready(m.t.Context(), r.dir, after); err != nil {
		return err
	}
	if m.random.IntN(3) == 0 {
		if err := m.happen(); err != nil {
			return err
		}
	}
	most := 1 + m.random.IntN(8)
	take := func(d cache.DirEntry) bool {
		r.seen = append(r.seen, cache.DirEntry{Inode: d.Inode, Kind: d.Kind, Name: slices.Clone(d.Name)})
		return len(r.seen)-before < most
	}
	var err error
	if m.random.IntN(2) == 0 {
		err = m.rd.names.ReadDir(r.dir, after, take)
	} else {
		err = m.rd.names.ReadDirPlus(r.dir, after, func(d cache.DirEntry, _ cache.Entry, bad error) bool {
			err = errors.Join(err, bad)
			return take(d)
		})
	}
	if errors.Is(err, cache.ErrNotReady) && len(r.seen) == before {
		return nil // it goes on with its next step
	}
	if err != nil || len(r.seen) > before {
		return err
	}
	m.readers = slices.DeleteFunc(m.readers, func(other *middle) bool { return other == r })
	m.ended++
	return m.checkSeen(r)
}

// checkSeen compares what a reader saw from its first name to its last with what there is.
func (m *middles) checkSeen(r *middle) error {
	seen := map[string]bool{}
	for k, d := range r.seen {
		name := r.path + string(d.Name)
		if d.Kind == cache.Dir {
			name += "/"
		}
		switch {
		case k > 0 && d.Inode <= r.seen[k-1].Inode:
			return fmt.Errorf("directory %q: %q, %d, comes after %d", r.path, d.Name, d.Inode, r.seen[k-1].Inode)
		case seen[string(d.Name)]:
			return fmt.Errorf("directory %q: %q comes twice", r.path, d.Name)
		case !m.here(name):
			return fmt.Errorf("directory %q: %q is not sealed", r.path, d.Name)
		}
		seen[string(d.Name)] = true
	}
	for _, name := range r.must {
		if !seen[name] {
			return fmt.Errorf("directory %q: %q, of segment %d, was sealed when it began to be read, and did not come among %d names", r.path, name, m.segmentOf[r.path+name], len(seen))
		}
	}
	return nil
}

// TestDirectoriesBeforeFiles has a directory of directories be read, and one of them be looked up: the files
// of no segment are brought for it.
func TestDirectoriesBeforeFiles(t *testing.T) {
	store := objectstest.New(objectstest.Options{})
	w := newWorld(t, 41, store, worldOptions{})
	for k := range 200 {
		name := fmt.Sprintf("d%02d/s%d/f%03d", k/10, k/5, k)
		w.truth[name] = truth{content: []byte(name)}
		w.listing = append(w.listing, cache.Name{Origin: name, Size: -1})
	}
	w.finish(7)
	r := opened(t, t.TempDir()+"/store", store, func(o *Options) { o.quiet = true })
	rd := newReader(r, 41)
	entries, err := rd.list(t.Context(), cache.RootInode)
	w.must(err)
	if len(entries) != 20 {
		t.Errorf("the root has %d of 20 directories", len(entries))
	}
	e, err := rd.walk(t.Context(), []string{"d13", "s27"})
	w.must(err)
	if _, err := rd.walk(t.Context(), []string{"d13", "s99"}); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("a directory that is nowhere: %v", err)
	}
	if n := r.Status().Names; n > 1 { // s99 may be a file of the segment whose names are around it
		t.Errorf("the files of %d segments were brought for directories", n)
	}
	files, err := rd.list(t.Context(), e.Inode)
	w.must(err)
	if n := r.Status().Names; len(files) != 5 || n > 3 {
		t.Errorf("%d of 5 files, with the files of %d segments", len(files), n)
	}
	eventually.True(t, "no download is left", func() bool { return r.demanded.Load() == 0 })
}

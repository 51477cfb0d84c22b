package cache

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// modelNames is a small set of names, so that random listings repeat them and
// files and directories get in each other's way.
func modelNames() []string {
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf("f%02d", i), fmt.Sprintf("d%d/f%d", i%4, i), fmt.Sprintf("d%d/e%d/f%d", i%4, i%3, i))
	}
	return append(all, "d1", "d2/e1", "a/", "a//b", ".", "..", "../x", "%%", "%%d1", "nul\x00", "\xff", "é", "é")
}

type model struct {
	t     *testing.T
	s     *Store
	rng   *rand.Rand
	names []string
	state map[string]State // of every name that was listed or asked for
	pl    *Planner
	open  []*Page // planned, not committed: several at a time, as connections do
}

func (m *model) list() {
	page := make([]string, 1+m.rng.IntN(12))
	for i := range page {
		page[i] = m.names[m.rng.IntN(len(m.names))]
	}
	if m.rng.IntN(2) == 0 {
		slices.Sort(page)
	}
	if m.pl == nil {
		var err error
		if m.pl, err = m.s.NewPlanner(); err != nil {
			m.t.Fatal(err)
		}
	}
	p, err := m.pl.Plan(names(page...))
	if err != nil {
		m.t.Fatalf("plan %q: %v", page, err)
	}
	if m.rng.IntN(3) > 0 {
		if err := p.Load(); err != nil {
			m.t.Fatal(err)
		}
	}
	m.open = append(m.open, p)
	for len(m.open) > m.rng.IntN(4) {
		m.finish()
	}
}

// finish decides something for the files of one of the open pages.
func (m *model) finish() {
	i := m.rng.IntN(len(m.open))
	p := m.open[i]
	m.open = slices.Delete(m.open, i, i+1)
	for {
		m.decide(p)
		if err := p.Commit(); err != nil {
			m.t.Fatal(err)
		}
		if m.rng.IntN(2) == 0 {
			break
		}
	}
	if err := p.Close(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) decide(p *Page) {
	for k := range p.Len() {
		name := p.Name(k)
		if _, ok := m.state[name]; !ok {
			m.state[name] = Pending
		}
		if !p.Open(k) {
			continue
		}
		switch m.rng.IntN(6) {
		case 0:
		case 1:
			p.Fail(k, MayPass, fmt.Errorf("no luck"))
		case 2:
			m.blob(p, k)
		default:
			if err := p.Put(k, body(name), 0, nil); err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

func (m *model) blob(p *Page, k int) {
	w, err := m.s.NewBlob()
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := w.Write(body(p.Name(k))); err != nil {
		m.t.Fatal(err)
	}
	if err := p.PutBlob(k, w, 7, []byte("e")); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) ask() {
	name := m.names[m.rng.IntN(len(m.names))]
	path, err := SplitName(nil, name)
	if err != nil || len(path) != 1 {
		return
	}
	if e, err := m.s.Lookup(RootInode, path[0]); err == nil && e.Kind == Dir {
		return // its file would be asked for under the escaped form
	}
	p, err := m.s.Ask(RootInode, path[0])
	if err != nil || p.Name(0) != name {
		m.t.Fatalf("ask for %q: %v", name, err)
	}
	m.open = append(m.open, p)
	m.finish()
}

// check compares the store with the model.
func (m *model) check() {
	verify(m.t, m.s)
	got := map[string]bool{}
	m.walk(RootInode, got)
	for name := range m.state {
		if !got[name] {
			m.t.Fatalf("%q is not in the store", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		m.t.Fatalf("the store holds %v, which nobody listed", got)
	}
	if p := m.s.Progress(); p.Unchecked == 0 && p.Files != uint64(len(m.state)) {
		m.t.Fatalf("the store counts %d files, there are %d", p.Files, len(m.state))
	}
}

// plus checks that the directory's names come with what Lookup says of them.
func (m *model) plus(dir Inode) {
	type named struct {
		inode Inode
		kind  Kind
		name  string
		entry Entry
	}
	var want, got []named
	if err := m.s.ReadDir(dir, 0, func(de DirEntry) bool {
		e, err := m.s.Lookup(dir, string(de.Name))
		if err != nil || e.Inode != de.Inode {
			m.t.Fatalf("%q of directory %d is %d, not %d: %v", de.Name, dir, e.Inode, de.Inode, err)
		}
		want = append(want, named{de.Inode, de.Kind, string(de.Name), e})
		return true
	}); err != nil {
		m.t.Fatal(err)
	}
	if err := m.s.ReadDirPlus(dir, 0, func(de DirEntry, e Entry, err error) bool {
		if err != nil {
			m.t.Fatalf("%q of directory %d: %v", de.Name, dir, err)
		}
		got = append(got, named{de.Inode, de.Kind, string(de.Name), e})
		return true
	}); err != nil {
		m.t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		m.t.Fatalf("directory %d lists %+v, and %+v with entries", dir, want, got)
	}
}

func (m *model) walk(dir Inode, got map[string]bool) {
	m.plus(dir)
	var dirs []Inode
	if err := m.s.ReadDir(dir, 0, func(de DirEntry) bool {
		if de.Kind == Dir {
			dirs = append(dirs, de.Inode)
			return true
		}
		name, err := m.s.OriginName(dir, string(de.Name))
		if err != nil || got[name] {
			m.t.Fatalf("%q of directory %d: name %q, seen before %v, %v", de.Name, dir, name, got[name], err)
		}
		got[name] = true
		m.content(de.Inode, name)
		return true
	}); err != nil {
		m.t.Fatal(err)
	}
	for _, d := range dirs {
		m.walk(d, got)
	}
}

func (m *model) content(ino Inode, name string) {
	e, err := m.s.Get(ino)
	if err != nil {
		m.t.Fatalf("inode %d of %q: %v", ino, name, err)
	}
	if !e.Here() {
		return
	}
	buf := make([]byte, 256)
	n, err := m.s.ReadAt(ino, buf, 0)
	if err != nil || string(buf[:n]) != string(body(name)) {
		m.t.Fatalf("%q holds %q, %v", name, buf[:n], err)
	}
}

func TestModel(t *testing.T) {
	for range 30 / min(share, 3) {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			o := Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1}
			m := &model{t: t, s: open(t, o), rng: rand.New(rand.NewPCG(seed, 1)), names: modelNames(), state: map[string]State{}}
			for range 60 {
				switch n := m.rng.IntN(60); {
				case n == 59:
					if err := m.s.Rewind(); err != nil {
						t.Fatal(err)
					}
				case n < 6:
					for len(m.open) > 0 {
						m.finish()
					}
					m.s, m.pl = reopen(t, m.s), nil
				case n < 18:
					m.ask()
				default:
					m.list()
				}
			}
			for len(m.open) > 0 {
				m.finish()
			}
			m.check()
			if err := m.s.Advance(Mark{Listing: true, ListingComplete: true, Listed: m.s.Progress().Next}); err != nil {
				t.Fatal(err)
			}
			if err := m.s.Tally(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p := m.s.Progress(); p.Unchecked != 0 {
				t.Fatalf("tallied, and %+v", p)
			}
			m.check()
		})
	}
}

// TestPowerCut takes the disk as a power cut leaves it at random moments and
// checks that the checkpoint never runs ahead of the files.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	disk := vfs.NewCrashableMem()
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		var page []string
		for k := range 20 {
			page = append(page, fmt.Sprintf("d%d/n%05d-%02d", i/7, i, k))
		}
		p, err := pl.Plan(names(page...))
		if err != nil {
			t.Fatal(err)
		}
		m := &model{t: t, s: s}
		m.blob(p, 3)
		put(t, p)
		if err := s.Advance(Mark{Listing: true, Marker: fmt.Sprint(i), Listed: p.End(), Settled: p.End()}); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(4) == 0 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		after := open(t, Options{Dir: "/store", Origin: testOrigin, FS: clone, FlushEvery: -1})
		verify(t, after)
		if p := after.Progress(); p.Fetched%20 != 0 || p.Fetched > uint64(20*(i+1)) || (p.Marker != "" && p.Fetched < 20) {
			t.Errorf("after a cut in page %d: %+v", i, p)
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

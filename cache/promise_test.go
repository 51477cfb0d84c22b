package cache

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// planNames returns the loaded page of names with what a listing says of them.
func planNames(t *testing.T, s *Store, names ...Name) *Page {
	t.Helper()
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	page, err := pl.Plan(names)
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Load(); err != nil {
		t.Fatal(err)
	}
	return page
}

const (
	promisedTime = 1_600_000_000
	promisedTag  = `"p"`
)

// TestPromise fetches a file of which the listing says length, time and ETag: only a
// content of that version comes under the number that readers were told of.
func TestPromise(t *testing.T) {
	const listed = "as it was listed"
	for what, got := range map[string]struct {
		body    string
		modTime int64
		etag    string
		kept    bool
		time    int64 // that is shown
	}{
		"the same":                  {listed, promisedTime, promisedTag, true, promisedTime},
		"nothing but the content":   {listed, 0, "", true, promisedTime},
		"a weak ETag":               {listed, promisedTime, "W/" + promisedTag, true, promisedTime},
		"another time, same ETag":   {listed, 7, promisedTag, true, promisedTime},
		"another time, no ETag":     {listed, 7, "", false, 7},
		"another ETag, same length": {listed, promisedTime, `"q"`, false, promisedTime},
		"longer":                    {listed + "+", promisedTime, promisedTag, false, promisedTime},
		"shorter":                   {listed[1:], promisedTime, promisedTag, false, promisedTime},
		"long, another ETag":        {strings.Repeat("0123456789abcdef", 1<<12), 7, `"q"`, false, 7},
	} {
		for _, ask := range []string{"pending", "without a look", "reader", "failed"} {
			t.Run(what+", "+ask, func(t *testing.T) {
				s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1, InlineLimit: 1 << 10})
				page := planNames(t, s, Name{Origin: "d/a", Size: 1, ModTime: 5}, Name{Origin: "d/b", Size: int64(len(listed)), ModTime: promisedTime, ETag: promisedTag})
				commit(t, page)
				before, err := find(s, "d/b")
				if err != nil || !before.Promised() {
					t.Fatalf("%+v, %v", before, err)
				}
				page = pageOf(t, s, ask, before.Inode)
				putContent(t, page, got.body, got.modTime, got.etag)
				commit(t, page)
				after, err := find(s, "d/b")
				if err != nil || content(t, s, "d/b") != got.body || after.ModTime != got.time || !after.Here() {
					t.Fatalf("%+v, %v", after, err)
				}
				if kept := after.Inode == before.Inode; kept != got.kept || before.Keeps(int64(len(got.body)), got.modTime, []byte(got.etag)) != got.kept {
					t.Errorf("inode %d, and %d before", after.Inode, before.Inode)
				}
				if _, err := s.Get(before.Inode); got.kept == errors.Is(err, ErrNotFound) {
					t.Errorf("the old number: %v", err)
				}
				if p := s.Progress(); p.Fetched != 1 || p.Failed != 0 || p.Files != 2 || p.Bytes != uint64(len(got.body)) {
					t.Errorf("%+v", p)
				}
				verify(t, s)
				verify(t, reopen(t, s))
			})
		}
	}
}

// TestListedTime mirrors files as they are listed: of what is the same version the listing's
// time counts, which is what readers are told of those that are not here.
func TestListedTime(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1})
	page := planNames(t, s, Name{Origin: "none", Size: 2, ModTime: 5, ETag: `"a"`}, Name{Origin: "other", Size: 2, ModTime: 5}, Name{Origin: "same", Size: 2, ModTime: 5, ETag: `"a"`})
	for k, got := range []struct {
		modTime int64
		etag    string
	}{{0, ""}, {6, ""}, {6, `"a"`}} {
		if err := page.Put(k, []byte("xx"), got.modTime, []byte(got.etag)); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, page)
	for name, want := range map[string]int64{"none": 5, "other": 6, "same": 5} {
		if e, err := find(s, name); err != nil || e.ModTime != want {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// pageOf returns a page of the one file.
func pageOf(t *testing.T, s *Store, ask string, ino Inode) (page *Page) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	switch ask {
	case "reader":
		parent, name, err := s.Where(ino)
		must(err)
		page, err = s.Ask(parent, name)
		must(err)
		return page
	case "failed":
		page, _, err = s.Pending(ino, ino+1, 1000)
		must(err)
		page.Fail(0, MayPass, errors.New("not now"))
		commit(t, page)
		page, _, err = s.Failed(ino, 1000)
		must(err)
	default:
		page, _, err = s.Pending(ino, ino+1, 1000)
		must(err)
		if ask == "without a look" {
			return page
		}
	}
	must(page.Load())
	return page
}

func putContent(t *testing.T, page *Page, body string, modTime int64, etag string) {
	t.Helper()
	err := error(nil)
	if len(body) <= page.s.opts.InlineLimit {
		err = page.Put(0, []byte(body), modTime, []byte(etag))
	} else {
		var w *BlobWriter
		if w, err = page.s.NewBlob(); err == nil {
			if _, err = w.Write([]byte(body)); err == nil {
				err = page.PutBlob(0, w, modTime, []byte(etag))
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestListedAnotherWhilePending lists a file that is not here with another length: the
// number that was shown with the first is not shown with the second.
func TestListedAnotherWhilePending(t *testing.T) {
	for _, failed := range []bool{false, true} {
		s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1})
		commit(t, planNames(t, s, Name{Origin: "a", Size: 3, ModTime: 5}, Name{Origin: "b", Size: 3, ModTime: 5}))
		before, err := find(s, "a")
		if err != nil {
			t.Fatal(err)
		}
		if failed {
			page := pageOf(t, s, "failed", before.Inode)
			if err := page.Close(); err != nil {
				t.Fatal(err)
			}
		}
		changes, _ := s.Changes()
		page := planNames(t, s, Name{Origin: "a", Size: 4, ModTime: 6}, Name{Origin: "b", Size: 3, ModTime: 5})
		if err := page.Commit(); err != nil {
			t.Fatal(err)
		}
		after, err := find(s, "a")
		if err != nil || after.Inode == before.Inode || after.Size != 4 || after.ModTime != 6 || after.State != Pending {
			t.Fatalf("%+v, and %+v before, %v", after, before, err)
		}
		if _, err := s.Get(before.Inode); !errors.Is(err, ErrNotFound) {
			t.Errorf("the old number: %v", err)
		}
		if now, _ := s.Changes(); now <= changes {
			t.Errorf("%d changes, and %d before", now, changes)
		}
		// The page goes on to be used, and the content is what the second listing says.
		if err := page.Put(0, []byte("four"), 6, nil); err != nil {
			t.Fatal(err)
		}
		commit(t, page)
		if here, err := find(s, "a"); err != nil || here.Inode != after.Inode || !here.Here() {
			t.Errorf("%+v, %v", here, err)
		}
		if p := s.Progress(); p.Failed != 0 || p.Files != 2 || p.Fetched != 1 {
			t.Errorf("%+v", p)
		}
		if got := fmt.Sprint(list(t, s, RootInode)); got != "[b a]" {
			t.Errorf("listed %s", got)
		}
		verify(t, s)
	}
}

// TestEarlierNumberOfAPromise lists a name twice, unchecked: the first number, of which
// something else was promised, does not resolve to the second's content.
func TestEarlierNumberOfAPromise(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1})
	commit(t, planNames(t, s, Name{Origin: "a", Size: 3, ModTime: 5}))
	before, err := find(s, "a")
	if err != nil {
		t.Fatal(err)
	}
	page := planNames(t, s, Name{Origin: "b", Size: 1, ModTime: 5}, Name{Origin: "a", Size: 4, ModTime: 6})
	page.sorted, page.careful, page.vouched = true, false, false // as where a filter is full
	for k := range page.slots {
		page.slots[k].known, page.slots[k].promise = false, promise{}
		page.slots[k].inode = page.first + Inode(k)
	}
	s.conflicts.mu.state = conflictsKnown
	if err := page.Put(slices.IndexFunc(page.slots, func(s slot) bool { return s.name == "a" }), []byte("four"), 6, nil); err != nil {
		t.Fatal(err)
	}
	commit(t, page)
	if p := s.Progress(); p.Unchecked == 0 {
		t.Fatalf("nothing is unchecked: %+v", p)
	}
	p := make([]byte, 10)
	if n, err := s.ReadAt(before.Inode, p, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("%q, %v", p[:n], err)
	}
}

// TestPromisesAreKept does at random what listings, readers and mirrors do. Whatever a
// number was shown with, and read as, is all that it is ever shown with and read as.
func TestPromisesAreKept(t *testing.T) {
	for range 10 / share {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newPromiseModel(t, seed).run(400) })
	}
}

type promiseModel struct {
	t      *testing.T
	rng    *rand.Rand
	s      *Store
	pages  []*Page
	shown  map[Inode]Entry
	read   map[Inode]string
	now    map[string]int // the version that the origin has
	listed map[string]int // the one of the last listing
}

func newPromiseModel(t *testing.T, seed uint64) *promiseModel {
	return &promiseModel{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), shown: map[Inode]Entry{}, read: map[Inode]string{}, now: map[string]int{}, listed: map[string]int{},
		s: open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1, InlineLimit: 64}),
	}
}

// edition is what there is of a file: some have the same length, some the same ETag with
// another time, some no ETag.
func edition(name string, v int) (body string, modTime int64, etag string) {
	body = strings.Repeat(fmt.Sprintf("%s %d,", name, v), 1+v%3*7)
	if v%4 > 0 {
		etag = fmt.Sprintf("%q", fmt.Sprint(name, v))
	}
	return body, promisedTime + int64(v), etag
}

func (m *promiseModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *promiseModel) name() string { return fmt.Sprintf("d%d/%d", m.rng.IntN(2), m.rng.IntN(8)) }

func (m *promiseModel) run(steps int) {
	for range steps {
		switch m.rng.IntN(9) {
		case 0:
			m.now[m.name()]++
		case 1, 2:
			m.list()
		case 3:
			page, _, err := m.s.Pending(0, m.s.Progress().Next, 1000)
			m.must(err)
			m.keep(page)
		case 4:
			page, _, err := m.s.Failed(0, 1000)
			m.must(err)
			m.keep(page)
		case 5:
			if dir, err := m.s.Lookup(RootInode, fmt.Sprintf("d%d", m.rng.IntN(2))); err == nil {
				page, err := m.s.Ask(dir.Inode, fmt.Sprint(m.rng.IntN(8)))
				if !errors.Is(err, ErrNotFound) {
					m.must(err)
					m.keep(page)
				}
			}
		default:
			m.step()
		}
		m.look()
	}
	for len(m.pages) > 0 {
		m.close(0)
	}
	m.look()
	verify(m.t, m.s)
}

// list plans a page of some names, as they are at the origin.
func (m *promiseModel) list() {
	pl, err := m.s.NewPlanner()
	m.must(err)
	var list []Name
	for range 1 + m.rng.IntN(10) {
		name := m.name()
		body, modTime, etag := edition(name, m.now[name])
		n := Name{Origin: name, Size: int64(len(body)), ModTime: modTime, ETag: etag}
		if m.rng.IntN(8) == 0 {
			n = Name{Origin: name, Size: -1}
		}
		list = append(list, n)
	}
	page, err := pl.Plan(list)
	m.must(err)
	page.careful = true // pages of several planners are open, which one listing never has
	m.keep(page)
}

func (m *promiseModel) keep(page *Page) {
	if page == nil {
		return
	}
	if m.rng.IntN(3) > 0 {
		m.must(page.Load())
	}
	m.pages = append(m.pages, page)
}

// step has a page come one step further.
func (m *promiseModel) step() {
	if len(m.pages) == 0 {
		return
	}
	i := m.rng.IntN(len(m.pages))
	page := m.pages[i]
	switch k := m.rng.IntN(page.Len()); {
	case m.rng.IntN(6) == 0:
		m.close(i)
	case m.rng.IntN(3) == 0 || !page.Open(k):
		m.must(page.Commit())
	default:
		body, modTime, etag := edition(page.Name(k), m.now[page.Name(k)])
		switch m.rng.IntN(16) {
		case 15:
			m.must(page.Gone(k))
		case 0:
			page.Fail(k, MayPass, errors.New("not now"))
		case 1:
			page.Relist(k, int64(len(body)), modTime, []byte(etag))
		case 2, 3:
			w, err := m.s.NewBlob()
			m.must(err)
			_, err = w.Write([]byte(body))
			m.must(err)
			m.must(page.PutBlob(k, w, modTime, []byte(etag)))
		default:
			m.must(page.Put(k, []byte(body), modTime, []byte(etag)))
		}
	}
}

func (m *promiseModel) close(i int) {
	m.must(m.pages[i].Commit())
	m.must(m.pages[i].Close())
	m.pages = slices.Delete(m.pages, i, i+1)
}

// look compares all that can be seen with what was seen before.
func (m *promiseModel) look() {
	for dir := range 2 {
		e, err := m.s.Lookup(RootInode, fmt.Sprintf("d%d", dir))
		if err != nil {
			continue
		}
		m.must(m.s.ReadDirPlus(e.Inode, 0, func(de DirEntry, e Entry, err error) bool {
			m.must(err)
			if _, ok := m.shown[e.Inode]; !ok && (e.Promised() || e.Here()) {
				m.shown[e.Inode] = e
			}
			return true
		}))
	}
	for ino, shown := range m.shown {
		e, err := m.s.Get(ino)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		m.must(err)
		if e.Inode != ino || e.Size != shown.Size || e.ModTime != shown.ModTime || shown.Here() && !e.Here() {
			m.t.Fatalf("inode %d was shown as %+v and is %+v", ino, shown, e)
		}
		p := make([]byte, e.Size+10)
		n, err := m.s.ReadAt(ino, p, 0)
		if !e.Here() {
			if !errors.Is(err, ErrNotFound) {
				m.t.Fatalf("inode %d is not here: %d bytes, %v", ino, n, err)
			}
			continue
		}
		m.must(err)
		if was, ok := m.read[ino]; ok && was != string(p[:n]) || int64(n) != e.Size {
			m.t.Fatalf("inode %d is read as %q, and was %q", ino, p[:n], was)
		}
		m.read[ino] = string(bytes.Clone(p[:n]))
	}
}

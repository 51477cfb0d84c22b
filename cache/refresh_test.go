package cache

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// fakeOrigin is what an origin has: contents by name, and the order of its listing.
type fakeOrigin struct {
	names    []string
	contents map[string]string
}

func newFakeOrigin(names ...string) *fakeOrigin {
	o := &fakeOrigin{names: names, contents: map[string]string{}}
	for _, name := range names {
		o.contents[name] = name
	}
	return o
}

// refresh brings a store to what the origin is, as the engine does.
func (o *fakeOrigin) refresh(t *testing.T, s *Store, opts RefreshOptions) Refreshed {
	t.Helper()
	r, err := s.Refresh(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	o.walk(t, r, 3)
	if _, err := r.CountUnseen(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.unseen(t, r)
	if opts.Contents {
		if err := r.BeginContents(); err != nil {
			t.Fatal(err)
		}
		o.each(t, r, r.Unreviewed)
	}
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	return r.Counts()
}

func (o *fakeOrigin) walk(t *testing.T, r *Refresh, pageSize int) {
	t.Helper()
	pl, err := r.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	for page := range slices.Chunk(o.names, pageSize) {
		o.page(t, r, pl, page, false)
	}
	o.page(t, r, pl, nil, true)
}

func (o *fakeOrigin) page(t *testing.T, r *Refresh, pl *Planner, listed []string, last bool) {
	t.Helper()
	rest, err := r.Match(names(listed...))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pl.Plan(rest)
	if err != nil {
		t.Fatal(err)
	}
	o.answer(t, p)
	mark := Mark{Listing: true, ListingComplete: last, Names: uint64(len(listed)), Place: r.Place()}
	if len(listed) > 0 {
		mark.Marker = listed[len(listed)-1]
	}
	if err := r.Advance(mark); err != nil {
		t.Fatal(err)
	}
}

func (o *fakeOrigin) unseen(t *testing.T, r *Refresh) { t.Helper(); o.each(t, r, r.Unseen) }

func (o *fakeOrigin) each(t *testing.T, r *Refresh, next func(Inode, int) (*Page, Inode, error)) {
	t.Helper()
	for from := Inode(0); from < r.Limit(); {
		p, end, err := next(from, 7) // of less than a run of names
		if err != nil {
			t.Fatal(err)
		}
		if p != nil {
			o.answer(t, p)
		}
		from = end
	}
}

// answer gives a page what the origin has of its files.
func (o *fakeOrigin) answer(t *testing.T, p *Page) {
	t.Helper()
	if err := p.Load(); err != nil {
		t.Fatal(err)
	}
	for k := range p.Len() {
		if !p.Open(k) {
			continue
		}
		content, ok := o.contents[p.Name(k)]
		var err error
		switch {
		case !ok:
			err = p.Gone(k)
		case len(content) > 100:
			err = p.PutBlob(k, blob(t, p.s, content), 0, nil)
		default:
			err = p.Put(k, []byte(content), 0, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	commit(t, p)
}

// mirrored makes a store that is complete.
func (o *fakeOrigin) mirrored(t *testing.T, opts Options) *Store {
	t.Helper()
	opts.Dir, opts.Origin = t.TempDir(), testOrigin
	s := open(t, opts)
	o.mirror(t, s)
	return s
}

func (o *fakeOrigin) mirror(t *testing.T, s *Store) {
	t.Helper()
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	end := FirstInode
	for page := range slices.Chunk(o.names, 3) {
		p, err := pl.Plan(names(page...))
		if err != nil {
			t.Fatal(err)
		}
		o.answer(t, p)
		end = p.End()
	}
	if err := s.Advance(Mark{Listing: true, ListingComplete: true, Listed: end, Settled: end}); err != nil {
		t.Fatal(err)
	}
}

// check compares everything that the store shows with the origin.
func (o *fakeOrigin) check(t *testing.T, s *Store) {
	t.Helper()
	got := map[string]string{}
	dirs := 0
	var walk func(dir Inode)
	walk = func(dir Inode) {
		n := 0
		if err := s.ReadDirPlus(dir, 0, func(d DirEntry, e Entry, err error) bool {
			n++
			if err != nil || e.Inode != d.Inode {
				t.Errorf("%q: %+v, %v", d.Name, e, err)
				return true
			}
			if e.Kind == Dir {
				dirs++
				walk(e.Inode)
				return true
			}
			name, err := s.NameOf(e.Inode)
			if err != nil {
				t.Error(err)
			}
			b := make([]byte, e.Size)
			if _, err := s.ReadAt(e.Inode, b, 0); err != nil {
				t.Errorf("%q: %v", name, err)
			}
			got[name] = string(b)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if n == 0 && dir != RootInode {
			t.Errorf("directory %d is empty", dir)
		}
	}
	walk(RootInode)
	if !maps.Equal(got, o.contents) {
		for name := range o.contents {
			if got[name] != o.contents[name] {
				t.Errorf("%q is %.40q and should be %.40q", name, got[name], o.contents[name])
			}
		}
		for name := range got {
			if _, ok := o.contents[name]; !ok {
				t.Errorf("%q is there and should not be", name)
			}
		}
	}
	p := s.Progress()
	if p.Files-p.Gone != uint64(len(o.contents)) || p.Fetched != uint64(len(o.contents)) || p.Dirs != uint64(dirs) || !p.Complete() {
		t.Errorf("%d files, %d directories; progress %+v", len(o.contents), dirs, p)
	}
	verify(t, s)
}

func TestRefreshUnchanged(t *testing.T) {
	o := newFakeOrigin("%%", "..", "a", "b", "c", "d/1", "d/2", "e//x")
	s := o.mirrored(t, Options{})
	before := s.Progress()
	got := o.refresh(t, s, RefreshOptions{})
	if want := (Refreshed{Listed: 8}); got != want {
		t.Errorf("%+v", got)
	}
	after := s.Progress()
	after.ListedAt = before.ListedAt
	if after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	if s.numbers.next.Load() != uint64(before.Next) {
		t.Errorf("%d numbers were given out", s.numbers.next.Load()-uint64(before.Next))
	}
	o.check(t, s)
}

// TestRefresh has an origin change in each way at once, and back.
func TestRefresh(t *testing.T) {
	for _, contents := range []bool{false, true} {
		t.Run(fmt.Sprint(contents), func(t *testing.T) {
			first := newFakeOrigin("a", "b", "c/1", "c/2", "d", "e/f/g", "long")
			first.contents["long"] = string(long)
			s := first.mirrored(t, Options{KeepOld: true})
			second := newFakeOrigin("a/x", "aa", "b", "c", "e/f", "long", "z")
			second.contents["long"] = string(long[1:])
			second.contents["b"] = "another b"
			got := second.refresh(t, s, RefreshOptions{Contents: contents})
			want := Refreshed{Listed: 7, New: 4 + 0, Removed: 5}
			if contents {
				want.Changed, want.Reviewed = 2, got.Reviewed
			} else {
				// The listing says nothing of contents.
				second.contents["b"], second.contents["long"] = "b", string(long)
			}
			want.New = 5 // a/x, aa, c, e/f, z
			if got != want {
				t.Errorf("%+v, not %+v", got, want)
			}
			second.check(t, s)
			first.refresh(t, s, RefreshOptions{Contents: true})
			s = reopen(t, s)
			first.refresh(t, s, RefreshOptions{Contents: true})
			first.check(t, s)
			if names := list(t, s, RootInode); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "%%") }) {
				t.Errorf("escaped names stay: %q", names)
			}
		})
	}
}

// TestOldVersionIsRead reads numbers whose files were replaced and removed.
func TestOldVersionIsRead(t *testing.T) {
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			o := newFakeOrigin("a", "b", "long")
			o.contents["long"] = string(long)
			s := o.mirrored(t, Options{KeepOld: keep})
			was := map[string]Inode{}
			for name := range o.contents {
				e, err := find(s, name)
				if err != nil {
					t.Fatal(err)
				}
				was[name] = e.Inode
			}
			old := maps.Clone(o.contents)
			o.contents["a"], o.contents["long"] = "other", string(long[1:])
			delete(o.contents, "b")
			o.names = []string{"a", "long"}
			o.refresh(t, s, RefreshOptions{Contents: true})
			o.check(t, s)
			read := func(name string) (string, error) {
				b := make([]byte, len(old[name]))
				n, err := s.ReadAt(was[name], b, 0)
				return string(b[:n]), err
			}
			for name := range old {
				got, err := read(name)
				if kept := keep || name == "long"; kept && (err != nil || got != old[name]) || !kept && !errors.Is(err, ErrNotFound) {
					t.Errorf("%q: %.40q, %v", name, got, err)
				}
			}
			// The next refresh drops them.
			o.refresh(t, s, RefreshOptions{})
			s.entries = newEntryCache(entryCacheSize)
			for name := range old {
				if got, err := read(name); !errors.Is(err, ErrNotFound) {
					t.Errorf("%q: %.40q, %v", name, got, err)
				}
			}
			report, err := s.Verify(t.Context(), func(p string) { t.Error(p) })
			if err != nil || report.Unreferenced != 0 {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

// TestRefreshModel refreshes from origins that change at random, each time in another
// order, cut off at random and with crashes, and compares all.
func TestRefreshModel(t *testing.T) {
	seed := rand.Uint64()
	for k := range uint64(20 / share) {
		t.Run(fmt.Sprint(seed+k), func(t *testing.T) { refreshModel(t, seed+k) })
	}
}

func refreshModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 9))
	letters := []string{"a", "b", "c", "%%", "..", "", "dd"}
	draw := func() *fakeOrigin {
		o := &fakeOrigin{contents: map[string]string{}}
		for range rnd.IntN(60) {
			name := letters[rnd.IntN(len(letters))]
			for range rnd.IntN(3) {
				name += "/" + letters[rnd.IntN(len(letters))]
			}
			content := fmt.Sprint(name, rnd.IntN(2))
			if rnd.IntN(10) == 0 {
				content = strings.Repeat(content+" ", 50)
			}
			if _, ok := o.contents[name]; !ok {
				o.names = append(o.names, name)
			}
			o.contents[name] = content
		}
		if rnd.IntN(2) == 0 {
			slices.Sort(o.names)
		}
		return o
	}
	o := draw()
	s := o.mirrored(t, Options{InlineLimit: 100, KeepOld: rnd.IntN(2) == 0})
	o.check(t, s)
	for range 5 {
		if rnd.IntN(4) > 0 {
			o = draw()
		}
		if rnd.IntN(2) == 0 { // cut off in its walk, and gone on with
			r, err := s.Refresh(t.Context(), RefreshOptions{Contents: true})
			if err != nil {
				t.Fatal(err)
			}
			pl, err := r.NewPlanner()
			if err != nil {
				t.Fatal(err)
			}
			half := o.names[:rnd.IntN(len(o.names)+1)]
			for page := range slices.Chunk(half, 3) {
				o.page(t, r, pl, page, false)
			}
			if err := r.Save(); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, s)
			whole := o.names
			if r, err = s.Refresh(t.Context(), RefreshOptions{Contents: true}); err != nil {
				t.Fatal(err)
			}
			if marker, walking := r.Walking(); !walking || len(half) > 0 && marker != half[len(half)-1] {
				t.Fatalf("goes on at %q, %v", marker, walking)
			}
			o.names = whole[len(half):]
			o.refresh(t, s, RefreshOptions{Contents: true})
			o.names = whole
		} else {
			o.refresh(t, s, RefreshOptions{Contents: true})
		}
		o.check(t, s)
		if rnd.IntN(3) == 0 {
			s = reopen(t, s)
			o.check(t, s)
		}
	}
}

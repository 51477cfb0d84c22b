package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// changing is an origin whose files a test changes.
type changing struct {
	mu    sync.Mutex
	files map[string]string
	order []string // of the listing; nil: by name
}

func newChanging(n int) *changing {
	c := &changing{files: map[string]string{}}
	for i := range n {
		name := fmt.Sprintf("d%d/%04d", i%7, i)
		c.files[name] = "first " + name
	}
	return c
}

func (c *changing) change(fn func(files map[string]string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(c.files)
}

func (c *changing) names() []string {
	if c.order != nil {
		return c.order
	}
	return slices.Sorted(maps.Keys(c.files))
}

// Page lists from the position that marker says.
func (c *changing) Page(marker string, limit int, add func(name []byte)) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := 0
	if marker != "" {
		var err error
		if from, err = strconv.Atoi(marker); err != nil {
			return "", serve.ErrMarker
		}
	}
	names := c.names()
	to := min(from+limit, len(names))
	for _, name := range names[min(from, to):to] {
		add([]byte(name))
	}
	if to == len(names) {
		return "", nil
	}
	return strconv.Itoa(to), nil
}

// Get describes the file of that name.
func (c *changing) Get(name []byte, o *serve.Object) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	content, ok := c.files[string(name)]
	if !ok {
		return serve.ErrNotFound
	}
	o.Body = []byte(content)
	return nil
}

// follows compares everything that the store shows with the origin.
func (r *rig) follows(c *changing) {
	r.t.Helper()
	got := map[string]string{}
	r.each(cache.RootInode, func(ino cache.Inode, e cache.Entry) {
		name, err := r.store.NameOf(ino)
		r.must(err)
		b := make([]byte, e.Size)
		_, err = r.store.ReadAt(ino, b, 0)
		r.must(err)
		got[name] = string(b)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if !maps.Equal(got, c.files) {
		r.t.Errorf("%d files are here, and the origin has %d", len(got), len(c.files))
		for name := range c.files {
			if got[name] != c.files[name] {
				r.t.Errorf("%q is %.40q and should be %.40q", name, got[name], c.files[name])
			}
		}
	}
	if p := r.store.Progress(); !p.Complete() {
		r.t.Errorf("not complete: %+v", p)
	}
	report, err := r.store.Verify(r.t.Context(), func(problem string) { r.t.Error(problem) })
	r.must(err)
	if report.Unreferenced > 0 {
		r.t.Errorf("%d blobs that no entry names", report.Unreferenced)
	}
}

func (r *rig) each(dir cache.Inode, fn func(cache.Inode, cache.Entry)) {
	r.t.Helper()
	r.must(r.store.ReadDirPlus(dir, 0, func(d cache.DirEntry, e cache.Entry, err error) bool {
		r.must(err)
		if e.Kind == cache.Dir {
			r.each(e.Inode, fn)
		} else {
			fn(e.Inode, e)
		}
		return true
	}))
}

func (r *rig) refresh(o mirror.RefreshOptions, want cache.Refreshed) {
	r.t.Helper()
	e := r.engine(nil)
	got, err := e.Refresh(r.t.Context(), o)
	r.must(err)
	r.must(e.Close())
	if got != want {
		r.t.Errorf("%+v was found, and there is %+v", got, want)
	}
}

func following(t *testing.T, n int) (*rig, *changing) {
	t.Helper()
	c := newChanging(n)
	r := newRig(t, serve.Options{PageSize: 100}, c)
	r.must(r.engine(nil).Run(t.Context()))
	r.follows(c)
	return r, c
}

func TestRefresh(t *testing.T) {
	r, c := following(t, 2000)
	r.refresh(mirror.RefreshOptions{}, cache.Refreshed{Listed: 2000})
	asked := r.server.Counts().Gets
	c.change(func(files map[string]string) {
		for i := range 20 {
			delete(files, fmt.Sprintf("d%d/%04d", i%7, i))
			files[fmt.Sprintf("d%d/%04d", (100+i)%7, 100+i)] = "second"
			files[fmt.Sprintf("new/%d", i)] = "new"
		}
	})
	want := cache.Refreshed{Listed: 2000, New: 20, Removed: 20}
	r.refresh(mirror.RefreshOptions{DryRun: true}, want)
	if n := r.server.Counts().Gets - asked; n != 0 {
		t.Errorf("a dry run asks for %d files", n)
	}
	r.refresh(mirror.RefreshOptions{}, want)
	if n := r.server.Counts().Gets - asked; n > 200 {
		t.Errorf("%d files were asked for", n)
	}
	all := cache.Refreshed{Listed: 2000, Changed: 20, Reviewed: 2000}
	r.refresh(mirror.RefreshOptions{Contents: true, DryRun: true}, all)
	r.refresh(mirror.RefreshOptions{Contents: true}, all)
	r.follows(c)
	r.refresh(mirror.RefreshOptions{Contents: true}, cache.Refreshed{Listed: 2000, Reviewed: 2000})
	r.refresh(mirror.RefreshOptions{Sample: 300}, cache.Refreshed{Reviewed: 300})
	r.follows(c)
}

// TestRefreshOfAnOriginInTrouble has an origin list nothing or little, fail in the middle,
// and say 404 for a moment.
func TestRefreshOfAnOriginInTrouble(t *testing.T) {
	r, c := following(t, 2000)
	whole := c.names()
	before := maps.Clone(c.files)
	// It lists nothing.
	c.order = []string{}
	r.tooMany(mirror.RefreshOptions{})
	r.follows(c)
	c.order = nil
	// It fails on a page: what comes after is not taken for gone.
	c.change(func(files map[string]string) { delete(files, whole[0]); delete(files, whole[1999]) })
	r.server.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		if marker == "1000" {
			return origintest.Fault{Status: 403}
		}
		return origintest.Fault{}
	}})
	e := r.engine(soon)
	if _, err := e.Refresh(t.Context(), mirror.RefreshOptions{}); err == nil || errors.Is(err, mirror.ErrManyUnlisted) {
		t.Errorf("a page that fails gives %v", err)
	}
	r.must(e.Close())
	if p := r.store.Progress(); p.Files != 2000 {
		t.Errorf("%d files are left", p.Files)
	}
	r.server.SetFaults(origintest.Faults{})
	r.refresh(mirror.RefreshOptions{}, cache.Refreshed{Listed: 1998, Removed: 2})
	r.follows(c)
	// A listed file that is not there keeps its content.
	c.order = c.names()
	missing := whole[7]
	c.change(func(files map[string]string) { delete(files, missing) })
	r.refresh(mirror.RefreshOptions{Contents: true}, cache.Refreshed{Listed: 1998, Reviewed: 1997, Kept: 1})
	c.change(func(files map[string]string) { files[missing] = before[missing] })
	r.follows(c)
}

func (r *rig) tooMany(o mirror.RefreshOptions) {
	r.t.Helper()
	e := r.engine(nil)
	if _, err := e.Refresh(r.t.Context(), o); !errors.Is(err, mirror.ErrManyUnlisted) {
		r.t.Errorf("the refresh ends with %v", err)
	}
	r.must(e.Close())
}

// TestUnlistedFilesThatAreThere has many files not be listed any more. Those that the origin
// still gives stay, and do not count; too many that it does not have are not believed.
func TestUnlistedFilesThatAreThere(t *testing.T) {
	for _, listed := range []int{1900, 1500, 1} {
		r, c := following(t, 2000)
		c.order = c.names()[:listed]
		r.refresh(mirror.RefreshOptions{}, cache.Refreshed{Listed: uint64(listed)})
		r.follows(c)
	}
	r, c := following(t, 2000)
	whole := c.names()
	c.order = whole[:1000]
	c.change(func(files map[string]string) {
		for _, name := range whole[1700:1900] {
			delete(files, name)
		}
	})
	ten := mirror.RefreshOptions{MaxDelete: mirror.GoneLimit{Percent: 10}}
	r.refresh(mirror.RefreshOptions{MaxDelete: ten.MaxDelete, DryRun: true}, cache.Refreshed{Listed: 1000, Removed: 200})
	before := maps.Clone(c.files)
	c.change(func(files map[string]string) { delete(files, whole[1999]) })
	r.tooMany(ten)
	if p := r.store.Progress(); p.Files != 2000 {
		t.Errorf("%d files are left", p.Files)
	}
	c.files = before
	r.refresh(ten, cache.Refreshed{Listed: 1000, Removed: 200})
	r.follows(c)
}

// TestOriginIsEmpty has an origin list nothing, and have nothing. Who gives a limit that allows
// it has the mirror be emptied; but not while the origin answers something else than that it
// does not have the files.
func TestOriginIsEmpty(t *testing.T) {
	r, c := following(t, 2000)
	before := maps.Clone(c.files)
	all := mirror.RefreshOptions{MaxDelete: mirror.GoneLimit{Percent: 100, Given: true}}
	c.order = []string{}
	r.server.SetFaults(origintest.Faults{OnGet: origintest.EveryNth(1, origintest.Fault{Status: 500})})
	e := r.engine(soon)
	if _, err := e.Refresh(t.Context(), all); !errors.Is(err, mirror.ErrOutage) {
		t.Errorf("the refresh ends with %v", err)
	}
	r.must(e.Close())
	r.server.SetFaults(origintest.Faults{})
	r.follows(c)
	r.refresh(all, cache.Refreshed{}) // what is there stays
	r.follows(c)

	c.change(func(files map[string]string) { clear(files) })
	r.tooMany(mirror.RefreshOptions{})
	r.tooMany(mirror.RefreshOptions{MaxDelete: mirror.GoneLimit{Percent: 50, Given: true}})
	if p := r.store.Progress(); p.Files != 2000 {
		t.Errorf("%d files are left", p.Files)
	}
	e = r.engine(func(o *mirror.Options) { o.Outage = 10 * time.Second })
	found, err := e.Refresh(t.Context(), all)
	if want := (cache.Refreshed{Removed: 2000}); err != nil || found != want {
		t.Errorf("%+v, %v", found, err)
	}
	r.must(e.Close())
	r.follows(c)
	c.order = nil
	c.change(func(files map[string]string) { maps.Copy(files, before) })
	r.refresh(mirror.RefreshOptions{}, cache.Refreshed{Listed: 2000, New: 2000})
	r.follows(c)
}

// TestPendingFilesOfAnEmptyOrigin has files that were listed and never fetched be not listed
// any more: they are not asked for before that is known.
func TestPendingFilesOfAnEmptyOrigin(t *testing.T) {
	c := newChanging(300)
	r := newRig(t, serve.Options{PageSize: 100}, c)
	r.must(r.engine(func(o *mirror.Options) { o.Prefetch = false }).Run(t.Context()))
	c.change(func(files map[string]string) { clear(files) })
	e := r.engine(func(o *mirror.Options) { o.Outage = 10 * time.Second })
	found, err := e.Refresh(t.Context(), mirror.RefreshOptions{MaxDelete: mirror.GoneLimit{Percent: 100, Given: true}})
	if want := (cache.Refreshed{Removed: 300}); err != nil || found != want {
		t.Errorf("%+v, %v", found, err)
	}
	r.must(e.Close())
	r.follows(c)
}

// TestDryRunWritesNothing compares contents where no file can be made.
func TestDryRunWritesNothing(t *testing.T) {
	c := newChanging(20)
	for k, name := range c.names() { // some in memory, some spooled, some streamed
		c.files[name] = strings.Repeat(fmt.Sprint(k), []int{100, 100_000, 10 * mib}[k%3])
	}
	r := newRig(t, serve.Options{}, c)
	r.must(r.engine(nil).Run(t.Context()))
	c.change(func(files map[string]string) {
		for _, name := range c.names()[:6] {
			files[name] = "1" + files[name][1:]
		}
	})
	temporary := filepath.Join(r.store.Dir(), "blobs", "tmp")
	r.must(os.Remove(temporary))
	r.refresh(mirror.RefreshOptions{Contents: true, DryRun: true}, cache.Refreshed{Listed: 20, Changed: 5, Reviewed: 20})
	r.refresh(mirror.RefreshOptions{Sample: 20}, cache.Refreshed{Changed: 5, Reviewed: 20})
	r.must(os.Mkdir(temporary, 0o700))
	r.refresh(mirror.RefreshOptions{Contents: true}, cache.Refreshed{Listed: 20, Changed: 5, Reviewed: 20})
	r.follows(c)
}

// TestRefreshIsCutOff cancels a refresh at many moments, until it comes to its end.
func TestRefreshIsCutOff(t *testing.T) {
	r, c := following(t, 3000)
	c.change(func(files map[string]string) {
		for i := range 3000 {
			name := fmt.Sprintf("d%d/%04d", i%7, i)
			switch i % 50 {
			case 0:
				delete(files, name)
			case 1:
				files[name] = "second"
			case 2:
				files[name+"+"] = "new"
			case 3:
				delete(files, name)
				files[name+"/dir"] = "new"
			}
		}
	})
	cut := 0
	for stop := 1; ; stop += 37 {
		ctx, cancel := context.WithCancel(t.Context())
		gets := r.server.Counts().Gets
		lists := r.server.Counts().Lists
		r.server.SetFaults(origintest.Faults{
			OnGet: func([]byte, int) origintest.Fault {
				if r.server.Counts().Gets-gets > int64(stop)*5 {
					cancel()
				}
				return origintest.Fault{}
			},
			OnList: func(string, int) origintest.Fault {
				if r.server.Counts().Lists-lists > int64(stop) {
					cancel()
				}
				return origintest.Fault{}
			},
		})
		e := r.engine(nil)
		_, err := e.Refresh(ctx, mirror.RefreshOptions{Contents: true, MaxDelete: mirror.GoneLimit{Percent: 50}})
		cancel()
		r.must(e.Close())
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cut++
	}
	if cut < 3 {
		t.Errorf("cut off %d times", cut)
	}
	r.server.SetFaults(origintest.Faults{})
	r.follows(c)
}

// sized is a listing that says how long each file is and which version.
type sized struct {
	mirror.Lister
	c *changing
}

func (s sized) List(ctx context.Context, marker string) (mirror.Page, error) {
	page, err := s.Lister.List(ctx, marker)
	decode := page.Decode
	page.Decode = func(dst []mirror.Listed, most int, skip func(string, error)) ([]mirror.Listed, bool, error) {
		from := len(dst)
		dst, more, err := decode(dst, most, skip)
		s.c.mu.Lock()
		defer s.c.mu.Unlock()
		for i := range dst[from:] {
			l := &dst[from+i]
			l.Size = int64(len(s.c.files[l.Name]))
		}
		return dst, more, err
	}
	return page, err
}

// TestListingSaysThatItChanged has a listing with sizes: only what has another is asked
// for.
func TestListingSaysThatItChanged(t *testing.T) {
	r, c := following(t, 2000)
	c.change(func(files map[string]string) {
		for i := range 20 {
			files[fmt.Sprintf("d%d/%04d", (100+i)%7, 100+i)] = "another length of all the others"
		}
	})
	asked := r.server.Counts().Gets
	for _, changed := range []uint64{20, 0} {
		e := r.engine(func(o *mirror.Options) { o.Lister = sized{r.client, c} })
		got, err := e.Refresh(t.Context(), mirror.RefreshOptions{})
		r.must(err)
		r.must(e.Close())
		if want := (cache.Refreshed{Listed: 2000, Changed: changed}); got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	if n := r.server.Counts().Gets - asked; n > 200 {
		t.Errorf("%d files were asked for", n)
	}
	r.follows(c)
}

// TestValidatorsAlwaysNew has files whose ETag and Last-Modified are others each time, and
// whose bytes are the same; then such that are honest, of which none is sent again.
func TestValidatorsAlwaysNew(t *testing.T) {
	body := []byte(strings.Repeat("0123456789abcdef", 1000))
	src := origintest.NewFiles()
	set := func(edition int) {
		var files []origintest.File
		for i := range 100 {
			files = append(files, origintest.File{Name: fmt.Sprint(i), Body: body, ETag: fmt.Sprintf(`"%d-%d"`, i, edition), ModTime: time.Unix(1_700_000_000+int64(edition), 0)})
		}
		src.Set(files...)
	}
	set(1)
	r := newRig(t, serve.Options{}, src)
	r.must(r.engine(nil).Run(t.Context()))
	before, err := r.store.Lookup(cache.RootInode, "7")
	r.must(err)
	for edition := 3; edition > 0; edition-- {
		set(edition)
		sent := r.server.Counts().BytesOut
		r.refresh(mirror.RefreshOptions{Contents: true}, cache.Refreshed{Listed: 100, Reviewed: 100})
		// Two are sent whole for each round, to be its guards.
		if n := r.server.Counts().BytesOut - sent; (n > 50*int64(len(body))) != (edition > 1) {
			t.Errorf("edition %d: %d bytes were sent", edition, n)
		}
	}
	if after, err := r.store.Lookup(cache.RootInode, "7"); err != nil || after.Inode != before.Inode || after.ModTime != before.ModTime {
		t.Errorf("%+v became %+v, %v", before, after, err)
	}
}

// TestFileComesBack has a listed file be gone, and there again.
func TestFileComesBack(t *testing.T) {
	c := newChanging(300)
	c.order = c.names()
	name := c.order[42]
	content := c.files[name]
	delete(c.files, name)
	r := newRig(t, serve.Options{PageSize: 100}, c)
	r.must(r.engine(nil).Run(t.Context()))
	if p := r.store.Progress(); p.Gone != 1 || !p.Complete() {
		t.Fatalf("%+v", p)
	}
	r.refresh(mirror.RefreshOptions{}, cache.Refreshed{Listed: 300})
	c.change(func(files map[string]string) { files[name] = content })
	r.refresh(mirror.RefreshOptions{}, cache.Refreshed{Listed: 300, Returned: 1})
	r.follows(c)
}

// TestPagesWithETags has a listing whose pages have ETags: those that are the same are not
// sent again, also where the files that they name have changed or were cut off.
func TestPagesWithETags(t *testing.T) {
	files := serve.SyntheticOptions{Files: 20_000, FilesPerDir: 300, Validators: true}
	src := serve.NewSwitch(serve.NewSynthetic(files))
	r := newRig(t, serve.Options{PageSize: 500}, src)
	r.must(r.engine(nil).Run(t.Context()))
	pages := func(o mirror.RefreshOptions, want cache.Refreshed) (sent int64) {
		t.Helper()
		before := r.server.Counts()
		r.refresh(o, want)
		after := r.server.Counts()
		return after.Status[200] - before.Status[200] - (after.Gets - before.Gets)
	}
	all := cache.Refreshed{Listed: 20_000}
	if n := pages(mirror.RefreshOptions{}, all); n != 40 {
		t.Errorf("the first refresh gets %d pages", n)
	}
	for range 2 {
		if n := pages(mirror.RefreshOptions{}, all); n > 0 {
			t.Errorf("%d pages that are the same were sent", n)
		}
	}
	edition := files
	edition.Edition = serve.SyntheticEdition{Changed: 0.001, Removed: 0.0005, Added: 0.0005}
	changed := serve.NewSynthetic(edition)
	src.Set(changed)
	e := r.engine(nil)
	found, err := e.Refresh(t.Context(), mirror.RefreshOptions{Contents: true})
	r.must(err)
	r.must(e.Close())
	if found.New == 0 || found.Removed == 0 || found.Changed == 0 || found.Kept != 0 {
		t.Errorf("%+v", found)
	}
	all = cache.Refreshed{Listed: found.Listed}
	for k := range 3 {
		if n := pages(mirror.RefreshOptions{}, all); n == 0 && k == 0 || n > 40 {
			t.Errorf("refresh %d: %d pages were sent", k, n)
		}
	}
	report, err := r.store.Verify(t.Context(), func(p string) { t.Error(p) })
	r.must(err)
	if p := r.store.Progress(); p.Files != found.Listed || report.Problems > 0 {
		t.Errorf("%+v", p)
	}
}

// TestRefreshInAnotherOrder lists the same files in the reverse order.
func TestRefreshInAnotherOrder(t *testing.T) {
	r, c := following(t, 2000)
	c.order = c.names()
	slices.Reverse(c.order)
	r.refresh(mirror.RefreshOptions{}, cache.Refreshed{Listed: 2000})
	r.follows(c)
	c.order = slices.DeleteFunc(c.order, func(name string) bool { return strings.HasSuffix(name, "3") })
	r.refresh(mirror.RefreshOptions{MaxDelete: mirror.GoneLimit{Percent: 20}}, cache.Refreshed{Listed: 1800})
	r.follows(c)
}

package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

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

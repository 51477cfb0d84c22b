package mirror_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
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

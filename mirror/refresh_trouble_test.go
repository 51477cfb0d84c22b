package mirror_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

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

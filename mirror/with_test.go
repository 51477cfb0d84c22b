package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// noLister is of an origin that must not be listed.
type noLister struct{ t *testing.T }

func (l noLister) List(context.Context, string) (mirror.Page, error) {
	l.t.Error("the origin is listed")
	return mirror.Page{}, errors.New("no")
}

// TestWith: one engine after the other fetches the segments of a listing, each into a store of
// its own, with what its run does otherwise: what is not there is asked for in passes and is
// then gone. Nobody lists, and they count together.
func TestWith(t *testing.T) {
	const segments, files = 3, 200
	var all []origintest.File
	for k := range segments * files {
		all = append(all, origintest.File{Name: fmt.Sprintf("d%d/f%04d", k/100, k), Body: []byte(fmt.Sprint(k))})
	}
	r := openRig(t, serve.Options{}, origintest.NewFiles(all...))
	numbering, err := cache.NewNumbering(nil, 1)
	r.must(err)
	var engine *mirror.Engine
	for segment := range segments {
		for k := segment * files; k < (segment+1)*files; k++ {
			_, err := numbering.Add([]cache.Name{{Origin: all[k].Name, Size: -1}})
			r.must(err)
		}
		_, err = numbering.Add([]cache.Name{{Origin: all[(segment+1)*files-1].Name + "-missing", Size: -1}})
		r.must(err)
		tables, err := numbering.Finish()
		r.must(err)
		store, err := cache.OpenScratch(t.Context(), cache.Options{Dir: t.TempDir(), Reserve: -1},
			cache.TableOf(tables.Dirs), cache.TableOf(tables.Files), cache.TableOf(tables.Context), tables.Counts)
		r.must(err)
		if engine == nil {
			engine = r.engine(func(o *mirror.Options) { o.Store, o.Lister = store, noLister{t} })
		}
		e := engine.With(store)
		r.must(e.Run(t.Context()))
		r.must(e.Close())
		counts, err := store.Export(t.Context(), cache.ExportTo{Table: func(int, cache.Table, []byte) error { return nil }})
		r.must(err)
		r.must(store.Close())
		if counts.Fetched != files || counts.Gone != 1 || counts.Failed != 0 {
			t.Errorf("segment %d: %+v", segment, counts)
		}
		if n := engine.Counts().Files; n != int64((segment+1)*files) {
			t.Errorf("after segment %d, %d files came", segment, n)
		}
	}
}

// TestWithEnds: an engine that With has made ends with the one that made it.
func TestWithEnds(t *testing.T) {
	r := openRig(t, serve.Options{}, origintest.NewFiles())
	parent := r.engine(nil)
	e := parent.With(r.store)
	r.must(parent.Close())
	if err := e.Run(t.Context()); !errors.Is(err, mirror.ErrClosed) {
		t.Errorf("%v", err)
	}
	r.must(e.Close())
}

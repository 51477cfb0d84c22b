//go:build !race

package fs

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
)

const (
	costFiles = 20_000
	costPage  = 1000
)

func costName(k int) string { return fmt.Sprintf("sample-%08d.json", k) }

// newStoredFsys are handlers over a real store, with costFiles in its root that
// are read from its tables.
func newStoredFsys(t *testing.T) *fsys {
	o := cache.Options{Dir: t.TempDir(), Origin: "http://origin"}
	if err := fillStore(o); err != nil {
		t.Fatal(err)
	}
	s, err := cache.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	log := zerolog.Nop()
	f, _ := startFsys(t, Options{Store: s, Contents: newFakeContents(newFakeStore(), nil), Log: &log})
	return f
}

func fillStore(o cache.Options) (err error) {
	s, err := cache.Open(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	pl, err := s.NewPlanner()
	if err != nil {
		return err
	}
	body := []byte(strings.Repeat("x", 100))
	names := make([]cache.Name, costPage)
	for first := 0; first < costFiles; first += costPage {
		for k := range names {
			names[k] = cache.Name{Origin: costName(first + k), Size: -1}
		}
		if err := fillPage(s, pl, names, body, first+costPage == costFiles); err != nil {
			return err
		}
	}
	return nil
}

func fillPage(s *cache.Store, pl *cache.Planner, names []cache.Name, body []byte, last bool) (err error) {
	page, err := pl.Plan(names)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	if err := page.Load(); err != nil {
		return err
	}
	for k := range page.Len() {
		if err := page.Put(k, body, 1, nil); err != nil {
			return err
		}
	}
	if err := page.Commit(); err != nil {
		return err
	}
	return s.Advance(cache.Mark{Listing: true, ListingComplete: last, Listed: page.End(), Settled: page.End()})
}

// What a request costs with the store behind it, each file for the first time.
func TestAllocationsWithStore(t *testing.T) {
	f := newStoredFsys(t)
	nodes := make([]uint64, 0, costFiles)
	names := make([]string, costFiles)
	for k := range names {
		names[k] = costName(k)
	}
	buf := make([]byte, 128<<10)
	list := func(read func(<-chan struct{}, *fuse.ReadIn, *fuse.DirEntryList) fuse.Status) int {
		in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: 1}}
		for {
			out := fuse.NewDirEntryList(buf, in.Offset)
			if status := read(nil, &in, out); !status.Ok() {
				t.Fatal(status)
			}
			if out.Offset == in.Offset {
				break
			}
			in.Offset = out.Offset
		}
		if last := nodes[costFiles-1]; in.Offset != last {
			t.Errorf("the listing ends at %d, not %d", in.Offset, last)
		}
		return costFiles
	}
	for _, c := range []struct {
		what  string
		limit float64 // the most allocations for one of count
		do    func() (count int)
	}{
		{"lookup", 3.1, func() int {
			var out fuse.EntryOut
			in := fuse.InHeader{NodeId: 1}
			for _, name := range names {
				if status := f.Lookup(nil, &in, name, &out); !status.Ok() {
					t.Fatal(status)
				}
				nodes = append(nodes, out.NodeId)
			}
			return len(names)
		}},
		{"read", 1.1, func() int {
			for _, node := range nodes {
				if _, status := f.Read(nil, &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: node}}, buf[:4096]); !status.Ok() {
					t.Fatal(status)
				}
			}
			return len(nodes)
		}},
		{"getattr", 0.1, func() int {
			var out fuse.AttrOut
			for _, node := range nodes {
				if status := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: node}}, &out); !status.Ok() {
					t.Fatal(status)
				}
			}
			return len(nodes)
		}},
		{"readdir", 0.1, func() int { return list(f.ReadDir) }},
		{"readdirplus", 2.1, func() int { return list(f.ReadDirPlus) }},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := c.do()
		runtime.ReadMemStats(&after)
		per := float64(after.Mallocs-before.Mallocs) / float64(n)
		t.Logf("%s: %.2f allocations, %.0f bytes", c.what, per, float64(after.TotalAlloc-before.TotalAlloc)/float64(n))
		if per > c.limit {
			t.Errorf("%s: %.2f allocations, at most %v", c.what, per, c.limit)
		}
	}
}

package fs

import (
	"context"
	"errors"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestRequests counts what handlers are asked, how it ended, and how long one in 64 took.
func TestRequests(t *testing.T) {
	s := newFakeStore()
	s.file(1, "here", "content")
	f := newTestFsys(t, s, func(_ context.Context, name string) (string, error) {
		if name == "slow" {
			return "", context.DeadlineExceeded
		}
		return "", errors.New("origin on fire")
	})
	f.log.expect("origin on fire")
	f.log.expect("deadline")
	m := &Mount{fs: f.fsys}
	for range 129 {
		f.lookup("here")
	}
	f.lookup("a")
	f.lookup("b")
	f.lookup("slow")
	f.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: 1}}, &fuse.AttrOut{})
	f.StatFs(nil, &fuse.InHeader{NodeId: 1}, &fuse.StatfsOut{})
	want := map[string]int64{"lookup": 132, "getattr": 1, "statfs": 1, "read": 0, "readdir": 0, "opendir": 0, "getxattr": 0, "invalidate": 0}
	timed := map[string]uint64{"lookup": 3, "getattr": 1, "statfs": 1}
	failed := map[string]int64{"lookup EIO": 2, "lookup ETIMEDOUT": 1}
	for _, r := range m.Requests() {
		if n, ok := want[r.Op]; !ok || r.Count != n || r.Took.Count != timed[r.Op] {
			t.Errorf("%s: %d requests, %d timed; want %d and %d", r.Op, r.Count, r.Took.Count, n, timed[r.Op])
		}
		delete(want, r.Op)
		for _, e := range r.Errors {
			if e.Count != failed[r.Op+" "+e.Errno] {
				t.Errorf("%s: %d times %s, want %d", r.Op, e.Count, e.Errno, failed[r.Op+" "+e.Errno])
			}
			delete(failed, r.Op+" "+e.Errno)
		}
	}
	if len(want)+len(failed) > 0 {
		t.Errorf("not counted: %v %v", want, failed)
	}
	if n := m.Misses().Count; n != 3 {
		t.Errorf("%d waits for the contents", n)
	}
}

// TestErrnoValues has a place for each errno of the table.
func TestErrnoValues(t *testing.T) {
	for _, row := range errnos {
		if errnoValues[errnoIndex(row.errno)] != row.errno {
			t.Errorf("%v has no place of its own", row.errno)
		}
	}
	if last := errnoValues[len(errnoValues)-1]; last != errnoOf(errors.New("any")) {
		t.Errorf("%v stands for all others", last)
	}
}

// BenchmarkBegin is what counting and timing costs a request, beside the count alone.
func BenchmarkBegin(b *testing.B) {
	f := &fsys{}
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			f.stats.requests[opLookup].Add(1)
		}
	})
	b.Run("count and time", func(b *testing.B) {
		for b.Loop() {
			func() {
				defer f.end(opLookup, f.begin(opLookup))
			}()
		}
	})
}

package mirror_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/wire"
)

// corruptRig is a bucket of files, with the names of one that comes in memory, one that is
// spooled and one that is streamed, and what has an engine use its client.
func corruptRig(t *testing.T) (r *rig, src *serve.Synthetic, bad []string, onS3 func(*mirror.Options)) {
	t.Helper()
	src = serve.NewSynthetic(serve.SyntheticOptions{Files: 200, BodySize: 50_000, VarySize: true, LargeEvery: 100, LargeSize: 9 << 20, S3ETags: true})
	r = newRig(t, serve.Options{S3: &serve.S3Options{}}, src)
	client, err := s3.New(s3.Options{Bucket: serve.DefaultBucket, Endpoint: r.server.URL(), PathStyle: s3.PathOn, Options: wire.Options{Pipeline: 1000}})
	r.must(err)
	t.Cleanup(func() { r.must(client.Close()) })
	short, long := int64(0), int64(0)
	for i := range src.Len() - 1 {
		switch n := src.Size(i); {
		case 0 < n && n < 60_000:
			short = i
		case 70_000 < n && n < 1<<20:
			long = i
		}
	}
	return r, src, []string{src.Name(short), src.Name(long), src.Name(199)}, func(o *mirror.Options) { o.Lister, o.Fetcher = client, client }
}

// TestCorruptContentIsAskedForAgain has contents be wrong twice that are said to sum up to
// what they were.
func TestCorruptContentIsAskedForAgain(t *testing.T) {
	r, src, _, onS3 := corruptRig(t)
	twice := origintest.FirstTries(2, origintest.Fault{Corrupt: true})
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, n int) origintest.Fault {
		if k, ok := src.Index(name); !ok || k%5 > 0 && k < 199 {
			return origintest.Fault{}
		}
		return twice(name, n)
	}})
	r.must(r.run(onS3))
	r.complete(200)
	r.same(src)
	r.verify()
}

// TestCorruptContentIsNotServed has contents stay wrong: they are asked for again, and then
// they are files that did not come, with the reason, for a mirror and for readers.
func TestCorruptContentIsNotServed(t *testing.T) {
	r, src, bad, onS3 := corruptRig(t)
	isBad := map[string]bool{}
	for _, name := range bad {
		isBad[name] = true
	}
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		return origintest.Fault{Corrupt: isBad[string(name)]}
	}})
	r.must(r.run(onS3))
	if p := r.store.Progress(); p.Failed != 3 || p.Fetched != 197 || p.Complete() {
		t.Errorf("progress %+v", p)
	}
	r.must(r.store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
		if !isBad[f.Name] || !strings.Contains(f.Reason, mirror.ErrChecksum.Error()) || !strings.Contains(f.Reason, "CRC-64/NVME") {
			t.Errorf("recorded %+v", f)
		}
		return true
	}))
	e := r.engine(onS3)
	for _, name := range bad {
		if n := r.server.Gets(name); n < 3 {
			t.Errorf("%s was asked for %d times", name, n)
		}
		entry, err := e.Fetch(t.Context(), cache.RootInode, name)
		if err == nil && entry.Arriving { // it has begun, and is taken back at its end
			eventually.True(t, "an error", func() bool {
				_, _, err = e.ReadAt(t.Context(), entry.Inode, make([]byte, 1), 0, time.Minute)
				return err != nil
			})
		}
		if !errors.Is(err, mirror.ErrChecksum) {
			t.Errorf("a reader of %s has %+v, %v", name, entry, err)
		}
		if entry, err := r.store.Lookup(cache.RootInode, name); err != nil || entry.State != cache.Pending {
			t.Errorf("%s is stored as %+v, %v", name, entry, err)
		}
	}
	r.must(e.Close())
	r.verify()
	r.server.SetFaults(origintest.Faults{})
	r.must(r.run(onS3))
	r.complete(200)
	r.same(src)
}

// TestResumedContentIsChecked has a long file be corrupt at its beginning and break off
// behind that, while readers see it arrive: what is added to it does not make it right.
func TestResumedContentIsChecked(t *testing.T) {
	for _, corrupt := range []bool{true, false} {
		r, src, bad, onS3 := corruptRig(t)
		name := bad[2]
		var whole atomic.Int64
		r.server.SetFaults(origintest.Faults{
			OnRange: func([]byte, string) origintest.Fault { return origintest.Fault{} },
			OnGet: func(got []byte, _ int) origintest.Fault {
				if string(got) != name || whole.Add(1) > 1 {
					return origintest.Fault{}
				}
				return origintest.Fault{Mode: origintest.CutBody, N: 8 << 20, Corrupt: corrupt}
			},
		})
		e := r.engine(onS3)
		entry, err := e.Fetch(t.Context(), cache.RootInode, name)
		if err != nil || !entry.Arriving {
			t.Fatalf("%+v, %v", entry, err)
		}
		eventually.True(t, "its end", func() bool {
			a, gone := e.Arriving(entry.Inode)
			err = gone
			return a == nil
		})
		if corrupt != errors.Is(err, mirror.ErrChecksum) || !corrupt && err != nil {
			t.Errorf("corrupt %v: %v", corrupt, err)
		}
		// Who opens it again has the right one.
		e.Shown(entry.Inode)
		if _, err := e.Fetch(t.Context(), cache.RootInode, name); err != nil {
			t.Errorf("corrupt %v: %v", corrupt, err)
		}
		r.must(e.Close())
		r.must(r.run(onS3))
		r.complete(200)
		r.same(src)
	}
}

package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// rig is an origin, a store, and what it takes to run engines between them.
type rig struct {
	t      *testing.T
	server *origintest.Server
	client *origin.Client
	store  *cache.Store
}

func newRig(t *testing.T, o serve.Options, src serve.Source) *rig {
	t.Helper()
	r := openRig(t, o, src)
	r.server.CountNames()
	return r
}

// openRig is newRig without the server's count of each name.
func openRig(t *testing.T, o serve.Options, src serve.Source) *rig {
	t.Helper()
	server, err := origintest.Open(o, src)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, server: server}
	t.Cleanup(func() { r.must(server.Close()) })
	r.connect()
	t.Cleanup(func() { r.must(r.client.Close()) })
	r.store, err = cache.Open(cache.Options{Dir: t.TempDir(), Origin: server.URL(), FlushEvery: -1})
	r.must(err)
	t.Cleanup(func() { r.must(r.store.Close()) })
	return r
}

func (r *rig) connect() {
	r.t.Helper()
	var err error
	r.client, err = origin.New(origin.Options{BaseURL: r.server.URL(), Options: wire.Options{Pipeline: 1000}})
	r.must(err)
}

// reconnect takes another client, once the origin has dealt with all that the one before
// had asked for: what a cancelled run has sent is still counted after it.
func (r *rig) reconnect() {
	r.t.Helper()
	r.must(r.client.Close())
	eventually.True(r.t, "what was asked for to be counted", func() bool { return r.server.Counts().OpenConns == 0 })
	r.connect()
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) engine(change func(*mirror.Options)) *mirror.Engine {
	r.t.Helper()
	o := mirror.Options{
		Store: r.store, Lister: r.client, Fetcher: r.client, Prefetch: true,
		Connections: 4, Backoff: time.Millisecond, Outage: time.Minute, Grace: -1, Log: zerolog.Nop(),
	}
	if change != nil {
		change(&o)
	}
	e, err := mirror.Open(o)
	r.must(err)
	r.t.Cleanup(func() { r.must(e.Close()) })
	return e
}

// soon has a Run give up soon where the origin is out of service.
func soon(o *mirror.Options) { o.Outage = 300 * time.Millisecond }

// run mirrors with a new engine and closes it.
func (r *rig) run(change func(*mirror.Options)) error {
	r.t.Helper()
	return r.runUntil(context.Background(), change)
}

// runUntil is run with a ctx.
func (r *rig) runUntil(ctx context.Context, change func(*mirror.Options)) error {
	r.t.Helper()
	e := r.engine(change)
	err := e.Run(ctx)
	r.must(e.Close())
	return err
}

// gets is how many files were asked for: all gets of the server but those that
// only proved others.
func (r *rig) gets() int64 { return r.server.Counts().Gets - r.client.Counts().Guards }

func (r *rig) verify() {
	r.t.Helper()
	_, err := r.store.Verify(context.Background(), func(p string) { r.t.Error("verify: " + p) })
	r.must(err)
}

// read returns a file's content by its path in the mount.
func (r *rig) read(path string) string {
	r.t.Helper()
	e := cache.Entry{Inode: cache.RootInode}
	for _, c := range strings.Split(path, "/") {
		var err error
		if e, err = r.store.Lookup(e.Inode, c); err != nil {
			r.t.Fatalf("look up %q: %v", path, err)
		}
	}
	buf := make([]byte, e.Size+1)
	n, err := r.store.ReadAt(e.Inode, buf, 0)
	if err != nil || int64(n) != e.Size {
		r.t.Fatalf("read %q: %d of %d bytes, %v", path, n, e.Size, err)
	}
	return string(buf[:n])
}

func (r *rig) complete(files uint64) {
	r.t.Helper()
	r.verify()
	if p := r.store.Progress(); !p.Complete() || p.Files != files {
		r.t.Errorf("not complete with %d files: %+v", files, p)
	}
}

// synthetic mirrors have contents that can be checked by their formula.
func (r *rig) same(s *serve.Synthetic) {
	r.t.Helper()
	step := int64(1)
	if raceEnabled { // Pebble then notes the stack for each table that a look opens, which is most of a look
		step += s.Len() / 500
	}
	for i := int64(0); i < s.Len(); i += step {
		if got := r.read(s.Name(i)); got != string(s.Body(i)) {
			r.t.Fatalf("%s holds %.60q", s.Name(i), got)
		}
	}
}

func named(names ...string) *origintest.Files {
	var files []origintest.File
	for _, n := range names {
		files = append(files, origintest.File{Name: n, Body: []byte("body of " + n)})
	}
	return origintest.NewFiles(files...)
}

func TestMirrorEverythingOnce(t *testing.T) {
	for _, o := range []serve.SyntheticOptions{
		{Files: 5500},
		{Files: 5500, FilesPerDir: 100, Validators: true},
		{Files: 5500, Shuffle: true},
		{Files: 2500, FilesPerDir: 50, Shuffle: true},
		{Files: 300, VarySize: true, LargeEvery: 100, LargeSize: 300 << 10},
		{Files: 0},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			src := serve.NewSynthetic(o)
			r := newRig(t, serve.Options{}, src)
			for range 2 { // the second run has nothing to do
				r.must(r.run(nil))
				r.complete(uint64(o.Files))
				r.same(src)
			}
			if n := r.gets(); n != o.Files {
				t.Errorf("%d gets for %d files", n, o.Files)
			}
		})
	}
}

func TestPagesOfAnyLength(t *testing.T) {
	for _, size := range []int{1, 7, 999, 1000, 1001, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			src := serve.NewSynthetic(serve.SyntheticOptions{Files: 2345})
			r := newRig(t, serve.Options{PageSize: size}, src)
			r.must(r.run(nil))
			r.complete(2345)
			if n := r.gets(); n != 2345 {
				t.Errorf("%d gets", n)
			}
		})
	}
}

func TestEmptyPagesAreNotTheEnd(t *testing.T) {
	r := newRig(t, serve.Options{PageSize: 10}, serve.NewSynthetic(serve.SyntheticOptions{Files: 100}))
	r.server.SetFaults(origintest.Faults{PageSize: func(marker string) int {
		if strings.Count(marker, "~") < 3 {
			return 0
		}
		return 10
	}})
	r.must(r.run(nil))
	r.complete(100)
}

func TestFiftyReadersOneGet(t *testing.T) {
	src := named("a", "b")
	r := newRig(t, serve.Options{}, src)
	e := r.engine(func(o *mirror.Options) { o.Prefetch = false })
	r.must(e.Run(context.Background()))
	release := make(chan struct{})
	r.server.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { <-release; return origintest.Fault{} }})
	var wg sync.WaitGroup
	started := make(chan struct{}, 50)
	for range 50 {
		wg.Go(func() {
			started <- struct{}{}
			entry, err := e.Fetch(context.Background(), cache.RootInode, "a")
			if err != nil || !entry.Here() {
				t.Errorf("%+v, %v", entry, err)
			}
		})
	}
	for range 50 {
		<-started
	}
	close(release)
	wg.Wait()
	if got := r.read("a"); got != "body of a" || r.server.Gets("a") != 1 {
		t.Errorf("%q after %d gets", got, r.server.Gets("a"))
	}
	if r.server.Gets("b") != 0 {
		t.Error("a file that nobody read was fetched")
	}
	r.must(r.run(nil)) // and the mirror does not fetch it again
	if r.server.Gets("a") != 1 || r.server.Gets("b") != 1 {
		t.Errorf("gets of a and b: %d and %d", r.server.Gets("a"), r.server.Gets("b"))
	}
	r.complete(2)
}

func TestReaderOfAnUnlistedFile(t *testing.T) {
	r := newRig(t, serve.Options{}, named("k", "m", "n"))
	e := r.engine(nil)
	if _, err := e.Fetch(context.Background(), cache.RootInode, "m"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Fetch(context.Background(), cache.RootInode, "nowhere"); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("a name that the origin does not have gives %v", err)
	}
	r.must(e.Run(context.Background()))
	r.complete(3)
	if n := r.gets(); n != 4 { // one of them is of nowhere
		t.Errorf("%d gets", n)
	}
}

func TestReaderStopsWaitingAndTheFetchGoesOn(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a"))
	release := make(chan struct{})
	asked := make(chan struct{})
	r.server.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault {
		close(asked)
		<-release
		return origintest.Fault{}
	}})
	e := r.engine(nil)
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(ctx, func() { close(release) })
	go func() { <-asked; cancel() }()
	if _, err := e.Fetch(ctx, cache.RootInode, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted reader gets %v", err)
	}
	if entry, err := e.Fetch(context.Background(), cache.RootInode, "a"); err != nil || !entry.Here() {
		t.Errorf("%+v, %v", entry, err)
	}
	if r.server.Gets("a") != 1 {
		t.Errorf("%d gets", r.server.Gets("a"))
	}
}

package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/saying"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// told is a rig whose store has the names that src lists, with length, time and ETag, and
// no file.
func told(t *testing.T, src serve.Source) (*rig, func(*mirror.Options)) {
	t.Helper()
	r := newRig(t, serve.Options{}, src)
	say := func(o *mirror.Options) { o.Lister = saying.Lister{Lister: r.client, Say: saying.As(src)} }
	r.must(r.run(func(o *mirror.Options) {
		say(o)
		o.Prefetch = false
	}))
	if n := r.server.Counts().Gets; n > 0 {
		t.Fatalf("%d gets for a listing", n)
	}
	return r, say
}

// TestReplacedBetweenListingAndGet has the origin replace a file after it was listed. Its
// reader and a mirror get the new one, and under another number; what was listed of the
// old number is never said of another content.
func TestReplacedBetweenListingAndGet(t *testing.T) {
	at := func(sec int64) time.Time { return time.Unix(1_700_000_000+sec, 0) }
	short, long := []byte("the first edition"), make([]byte, 9*mib)
	for what, c := range map[string]struct {
		listed, got origintest.File
		kept        bool
	}{
		"not at all":            {origintest.File{Body: short, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: short, ETag: `"1"`, ModTime: at(0)}, true},
		"longer":                {origintest.File{Body: short, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: append(short, short...), ETag: `"2"`, ModTime: at(9)}, false},
		"another ETag":          {origintest.File{Body: short, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: []byte("the other edition"), ETag: `"2"`, ModTime: at(0)}, false},
		"another time":          {origintest.File{Body: short, ModTime: at(0)}, origintest.File{Body: []byte("the other edition"), ModTime: at(9)}, false},
		"another time, one tag": {origintest.File{Body: short, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: short, ETag: `"1"`, ModTime: at(9)}, true},
		"long":                  {origintest.File{Body: long, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: long, ETag: `"1"`, ModTime: at(9)}, true},
		"long, longer":          {origintest.File{Body: long, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: append(long, 1), ETag: `"2"`, ModTime: at(9)}, false},
		"long, another ETag":    {origintest.File{Body: long, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: long, ETag: `"2"`, ModTime: at(0)}, false},
		"short, then long":      {origintest.File{Body: short, ETag: `"1"`, ModTime: at(0)}, origintest.File{Body: long, ETag: `"2"`, ModTime: at(9)}, false},
	} {
		for _, who := range []string{"reader", "mirror"} {
			t.Run(what+", "+who, func(t *testing.T) {
				c.listed.Name, c.got.Name = longName, longName
				src := origintest.NewFiles(c.listed)
				r, say := told(t, src)
				before, err := r.store.Lookup(cache.RootInode, longName)
				r.must(err)
				if !before.Promised() || before.Size != int64(len(c.listed.Body)) || before.ModTime != at(0).Unix() || before.ETag != c.listed.ETag {
					t.Fatalf("listed as %+v", before)
				}
				src.Set(c.got)
				e := r.engine(say)
				if who == "reader" {
					shown := r.fetch(e)
					if (shown.Inode == before.Inode) != c.kept || shown.Size != int64(len(c.got.Body)) || c.kept && shown.ModTime != before.ModTime {
						t.Errorf("shown as %+v, and listed as %+v", shown, before)
					}
					eventually.True(t, "all of it", func() bool { a, err := e.Arriving(shown.Inode); r.must(err); return a == nil })
				} else {
					r.must(e.Run(t.Context()))
				}
				after, err := r.store.Lookup(cache.RootInode, longName)
				r.must(err)
				if !after.Here() || (after.Inode == before.Inode) != c.kept || after.Size != int64(len(c.got.Body)) || c.kept && after.ModTime != before.ModTime || !c.kept && after.ModTime != c.got.ModTime.Unix() {
					t.Errorf("here as %+v, and listed as %+v", after, before)
				}
				p := make([]byte, 1+len(c.got.Body))
				if n, err := r.store.ReadAt(after.Inode, p, 0); err != nil || string(p[:n]) != string(c.got.Body) {
					t.Errorf("%d bytes, %v", n, err)
				}
				if _, err := r.store.Get(before.Inode); c.kept == errors.Is(err, cache.ErrNotFound) {
					t.Errorf("the number that was listed: %v", err)
				}
				if n := r.server.Gets(longName); n != 1 {
					t.Errorf("%d gets", n)
				}
				r.must(e.Close())
				r.verify()
			})
		}
	}
}

// TestTooLongByTheListing lists a file of 5 TB: neither a reader nor a mirror asks for it
// where it is over the limit, and no reader does where the disk has no room for it.
func TestTooLongByTheListing(t *testing.T) {
	src := origintest.NewFiles(origintest.File{Name: "a", Body: []byte("content")}, origintest.File{Name: longName, Body: []byte("it says")})
	r := newRig(t, serve.Options{}, src)
	disk := r.onSmallDisk()
	say := func(o *mirror.Options) {
		o.Lister = saying.Lister{Lister: r.client, Say: func(l *mirror.Listed) {
			if l.Name == longName {
				l.Size, l.ModTime = 5<<40, 1_700_000_000
			}
		}}
		o.MaxFile = 16 << 30
	}
	e := r.engine(say)
	r.must(e.Run(t.Context()))
	if entry, err := r.store.Lookup(cache.RootInode, longName); err != nil || !entry.Promised() || entry.Size != 5<<40 {
		t.Errorf("%+v, %v", entry, err)
	}
	if p := r.store.Progress(); p.Fetched != 1 || p.Failed != 1 {
		t.Errorf("%+v", p)
	}
	r.must(r.store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
		if f.Name != longName || f.Verdict != cache.Final || !strings.Contains(f.Reason, "too large") {
			t.Errorf("%+v", f)
		}
		return true
	}))
	if _, err := e.Fetch(t.Context(), cache.RootInode, longName); !errors.Is(err, mirror.ErrTooLarge) {
		t.Error(err)
	}
	unlimited := r.engine(func(o *mirror.Options) { say(o); o.MaxFile = 0 })
	disk.free.Store(4 << 40)
	if _, err := unlimited.Fetch(t.Context(), cache.RootInode, longName); !cache.NoRoom(err) {
		t.Error(err)
	}
	r.must(r.store.Room()) // for others there is
	if n := r.server.Gets(longName); n > 0 {
		t.Errorf("%d gets of 5 TB", n)
	}
}

// TestReadaheadLeavesLongFilesOut reads ahead in a listing that says of every tenth file
// that it is long: the others come, and those are asked for by who reads them.
func TestReadaheadLeavesLongFilesOut(t *testing.T) {
	const files = 2000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, Validators: true})
	r := newRig(t, serve.Options{}, src)
	as := saying.As(src)
	r.must(r.run(func(o *mirror.Options) {
		o.Prefetch = false
		o.Lister = saying.Lister{Lister: r.client, Say: func(l *mirror.Listed) {
			if as(l); strings.HasSuffix(l.Name, "7") {
				l.Size = 1 << 30
			}
		}}
	}))
	c := &calls{Fetcher: r.client}
	e := r.engine(func(o *mirror.Options) { o.Fetcher, o.Prefetch = c, false })
	long := 0
	for i := range int64(files) {
		if strings.HasSuffix(src.Name(i), "7") {
			long++
			continue
		}
		if entry, err := r.demand(e, src.Name(i)); err != nil || !entry.Here() {
			t.Fatal(i, entry, err)
		}
	}
	r.must(e.Close())
	if n := c.n.Load(); n > files/50 {
		t.Errorf("%d round trips for %d files", n, files)
	}
	if n := r.gets(); n != int64(files-long) || long < 10 {
		t.Errorf("%d gets for %d files, of which %d are long", n, files, long)
	}
	r.verify()
}

// TestReadersWhileListedFilesAreMirrored has twelve readers of listed files, by the numbers
// // that they were told, while a mirror fetches them, of which half have changed since they
// were listed, and then a refresh finds that more have.
func TestReadersWhileListedFilesAreMirrored(t *testing.T) {
	const files, readers = 600, 12
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	name := func(i int) string { return fmt.Sprintf("f%04d", i) }
	content := func(i, v int) string {
		return strings.Repeat(fmt.Sprintf("%d of %d;", v, i), 1+i%7+v%2+i%50/49*10_000)
	}
	now, src := make([]origintest.File, files), origintest.NewFiles()
	set := func(i, v int) {
		now[i] = origintest.File{Name: name(i), Body: []byte(content(i, v)), ModTime: time.Unix(1_700_000_000+int64(v), 0)}
		if i%3 > 0 {
			now[i].ETag = fmt.Sprintf(`"%d-%d"`, i, v)
		}
	}
	update := func() { src.Set(append([]origintest.File(nil), now...)...) }
	for i := range files {
		set(i, 0)
	}
	update()
	r, say := told(t, src)
	for i := range files {
		set(i, rng.IntN(2))
	}
	update()
	e := r.engine(func(o *mirror.Options) { say(o); o.Connections = 2 })
	var wg sync.WaitGroup
	done := make(chan struct{})
	for k := range readers {
		rng := rand.New(rand.NewPCG(seed, uint64(k)+2))
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				i := rng.IntN(files)
				if err := readTold(e, r.store, name(i)); err != nil {
					t.Errorf("%q: %v", name(i), err)
				}
			}
		})
	}
	r.must(e.Run(t.Context()))
	for i := range files {
		set(i, rng.IntN(3))
	}
	update()
	_, err := e.Refresh(t.Context(), mirror.RefreshOptions{})
	close(done)
	wg.Wait()
	r.must(err)
	for i := range files {
		entry, err := r.store.Lookup(cache.RootInode, name(i))
		p := make([]byte, entry.Size)
		if n, readErr := r.store.ReadAt(entry.Inode, p, 0); err != nil || readErr != nil || string(p[:n]) != string(now[i].Body) {
			t.Errorf("%q: %+v, %d bytes, %v, %v", name(i), entry, n, err, readErr)
		}
	}
	r.complete(files)
	r.must(e.Close())
	r.verify()
}

// readTold reads a file as a mount does, by the number that a lookup gave. It may turn out
// another; what is read is what was looked up.
func readTold(e *mirror.Engine, s *cache.Store, name string) error {
	told, err := s.Lookup(cache.RootInode, name)
	if err != nil {
		return err
	}
	if told.Promised() {
		entry, err := e.Fetch(context.Background(), cache.RootInode, name)
		if err != nil {
			return err
		}
		if entry.Inode != told.Inode {
			return nil // ESTALE
		}
	}
	p := make([]byte, told.Size+100)
	n, arriving, err := e.ReadAt(context.Background(), told.Inode, p[:told.Size], 0, time.Minute)
	if !arriving {
		n, err = s.ReadAt(told.Inode, p, 0)
	}
	if errors.Is(err, cache.ErrNotFound) {
		return nil // ESTALE
	}
	if err != nil || int64(n) != told.Size {
		return fmt.Errorf("%d bytes of %+v: %w", n, told, err)
	}
	var v, i int
	if _, err := fmt.Sscanf(string(p[:n]), "%d of %d;", &v, &i); err != nil || strings.Count(string(p[:n]), fmt.Sprintf("%d of %d;", v, i))*len(fmt.Sprintf("%d of %d;", v, i)) != n || fmt.Sprintf("f%04d", i) != name {
		return fmt.Errorf("a mixture: %.60q", p[:n])
	}
	if told.ModTime != 1_700_000_000+int64(v) {
		return fmt.Errorf("version %d under the time of %+v", v, told)
	}
	return nil
}

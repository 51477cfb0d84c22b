package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/saying"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/wire"
)

// listed is a mount of an origin whose listing says length, time and ETag of each file, as
// S3's does, and of which nothing is fetched. The test serves it itself, so only other
// processes read it.
type listed struct {
	*testing.T
	server *origintest.Server
	engine *mirror.Engine
	store  *cache.Store
	dir    string
	close  func() error
}

// openListed lists src, as say says it (nil: as src has it), and mounts.
func openListed(t *testing.T, src serve.Source, say func(*mirror.Listed), change ...func(*mirror.Options, *fs.Options)) *listed {
	t.Helper()
	server := serveTest(t, serve.Options{PageSize: 1000}, src)
	client, err := origin.New(origin.Options{BaseURL: server.URL(), Options: wire.Options{Pipeline: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	if say == nil {
		say = saying.As(src)
	}
	return openListedBy(t, server, client, saying.Lister{Lister: client, Say: say}, change...)
}

// openListedS3 is openListed with a bucket.
func openListedS3(t *testing.T, src serve.Source, change ...func(*mirror.Options, *fs.Options)) *listed {
	t.Helper()
	server := serveTest(t, serve.Options{PageSize: 1000, S3: &serve.S3Options{}}, src)
	client, err := s3.New(s3.Options{Bucket: serve.DefaultBucket, Endpoint: server.URL(), PathStyle: s3.PathOn, Options: wire.Options{Pipeline: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	return openListedBy(t, server, client, client, change...)
}

// openListedBy is openListed with a client, which it closes.
func openListedBy(t *testing.T, server *origintest.Server, client interface {
	mirror.Fetcher
	io.Closer
}, lister mirror.Lister, change ...func(*mirror.Options, *fs.Options)) *listed {
	t.Helper()
	fusetest.Need(t)
	l := &listed{T: t, server: server, dir: t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { must(client.Close()) })
	storeDir := t.TempDir()
	var err error
	l.store, err = cache.Open(cache.Options{Dir: storeDir, Origin: l.server.URL(), KeepOld: true})
	must(err)
	t.Cleanup(func() { must(l.store.Close()) })
	var m *fs.Mount
	o := mirror.Options{
		Store: l.store, Lister: lister, Fetcher: client, Backoff: time.Millisecond, Log: zerolog.Nop(),
		Events: mirror.Events{Gone: func(parent cache.Inode, name string) { m.Invalidate(parent, name) }},
	}
	fo := fs.Options{Mountpoint: l.dir, StoreDir: storeDir, Store: l.store}
	for _, c := range change {
		c(&o, &fo)
	}
	list := o
	list.Prefetch = false
	first, err := mirror.Open(list)
	must(err)
	must(first.Run(t.Context()))
	must(first.Close())
	l.engine, err = mirror.Open(o)
	must(err)
	t.Cleanup(func() { must(l.engine.Close()) })
	fo.Contents = l.engine
	m, err = fs.Open(t.Context(), fo)
	must(err)
	l.close = m.Close
	t.Cleanup(func() { must(m.Close()) })
	return l
}

func (l *listed) path(name string) string { return filepath.Join(l.dir, name) }

func (l *listed) gets() int64 { return l.server.Counts().Gets }

// roundTrips counts the calls of a Fetcher.
type roundTrips struct {
	mirror.Fetcher
	n atomic.Int64
}

func (r *roundTrips) Fetch(ctx context.Context, names []string, to mirror.Receiver) error {
	r.n.Add(1)
	return r.Fetcher.Fetch(ctx, names, to)
}

// versions are files of the origin, each with a time and mostly an ETag.
func versions(contents map[string]string, version int) []origintest.File {
	var files []origintest.File
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		f := origintest.File{Name: name, Body: []byte(contents[name]), ModTime: time.Unix(1_700_000_000+int64(version), 0)}
		if len(files)%3 > 0 {
			f.ETag = fmt.Sprintf(`"%d"`, version)
		}
		files = append(files, f)
	}
	return files
}

// TestSizesFromTheListing has programs ask for lengths and times of 3,000 files that are
// not here, and then read all of them.
func TestSizesFromTheListing(t *testing.T) {
	contents := map[string]string{"empty": ""}
	for i := range 3000 {
		contents[fmt.Sprintf("d%d/%04d", i%3, i)] = strings.Repeat(fmt.Sprint(i), 1+i%300)
	}
	var rounds roundTrips
	l := openListed(t, origintest.NewFiles(versions(contents, 0)...), nil, func(o *mirror.Options, _ *fs.Options) {
		rounds.Fetcher = o.Fetcher
		o.Fetcher = &rounds
	})
	total := 0
	for _, content := range contents {
		total += len(content)
	}
	long := process.MustRun(t, "ls", "-lR", "--time-style=+%s", l.dir)
	if n := strings.Count(long, " 1700000000 "); n != len(contents) {
		t.Errorf("ls -l says the time of %d files", n)
	}
	if got := process.MustRun(t, "sh", "-c", `find "$1" -type f -printf '%s\n' | awk '{n += $1} END {print n}'`, "sh", l.dir); got != fmt.Sprintln(total) {
		t.Errorf("the sizes sum up to %s of %d bytes", got, total)
	}
	blocks := process.MustRun(t, "du", "-s", "--apparent-size", "-B1", l.dir)
	if got := strings.Fields(blocks)[0]; got != fmt.Sprint(total) {
		t.Errorf("du: %s of %d bytes", got, total)
	}
	if got := process.MustRun(t, "cat", l.path("empty")); got != "" || l.gets() != 0 {
		t.Errorf("%d gets for sizes, times and an empty file", l.gets())
	}
	stat := func() string {
		t.Helper()
		return process.MustRun(t, "sh", "-c", `find "$1" -type f -printf '%i %s %b %T@ %p\n' | sort`, "sh", l.dir)
	}
	before := stat()
	// tar says where a file is not what stat said of it.
	process.MustRun(t, "sh", "-c", `tar -C "$1" -cf - . | tar -C "$2" -xf -`, "sh", l.dir, t.TempDir())
	process.MustRun(t, "diff", "-r", asFolder(t, contents), l.dir)
	if after := stat(); after != before {
		t.Errorf("attributes are others once the files are here")
	}
	if n := l.server.Names(); n > len(contents) {
		t.Errorf("%d names were asked for", n)
	}
	if n := rounds.n.Load(); n > int64(len(contents))/30 {
		t.Errorf("%d round trips for %d files in order", n, len(contents))
	}
	if n := l.gets(); n > int64(len(contents))*11/10 {
		t.Errorf("%d gets for %d files: guards and all", n, len(contents))
	}
}

// TestSizesFromS3 has ls -l and du go over a bucket of which nothing is fetched, and then
// reads all of it, in order and out of it.
func TestSizesFromS3(t *testing.T) {
	const files = 5000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, BodySize: 1000, FilesPerDir: 1000, Validators: true})
	var rounds roundTrips
	l := openListedS3(t, src, func(o *mirror.Options, _ *fs.Options) {
		rounds.Fetcher = o.Fetcher
		o.Fetcher = &rounds
	})
	for range 2 {
		if n := strings.Count(process.MustRun(t, "ls", "-lR", l.dir), " 1000 "); n != files {
			t.Errorf("ls -l says the length of %d files", n)
		}
		process.MustRun(t, "du", "-a", l.dir)
	}
	const stat = `find "$1" -type f -printf '%i %s %T@ %p\n' | sort`
	before := process.MustRun(t, "sh", "-c", stat, "sh", l.dir)
	if n := l.gets(); n != 0 {
		t.Errorf("%d objects were asked for", n)
	}
	if n := l.store.Progress().Files; n != files {
		t.Fatalf("%d files are listed", n)
	}
	sums := process.MustRun(t, "sh", "-c", `cd "$1" && find . -type f | shuf -n 200 | xargs -P12 sha256sum | sort -k2`, "sh", l.dir)
	process.MustRun(t, "sh", "-c", `tar -C "$1" -cf - . | tar -C "$2" -xf -`, "sh", l.dir, t.TempDir())
	for line := range strings.Lines(sums) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ./")
		var o serve.Object
		if err := src.Get([]byte(name), &o); err != nil || sum != fmt.Sprintf("%x", sha256.Sum256(o.Body)) {
			t.Errorf("%q has another content, %v", name, err)
		}
	}
	if after := process.MustRun(t, "sh", "-c", stat, "sh", l.dir); after != before {
		t.Errorf("attributes are others once the files are here")
	}
	if n := rounds.n.Load(); n > 200+files/30 {
		t.Errorf("%d round trips for %d files in order and 200 out of it", n, files)
	}
	if p := l.store.Progress(); p.Fetched != files {
		t.Errorf("%+v", p)
	}
}

// TestListedReplacedUnderTheMount has the origin replace files that were listed: another
// length, the same length with another ETag, and the same with another time alone. Who
// reads one gets ESTALE, mapped SIGBUS, and the new one at the next try.
func TestListedReplacedUnderTheMount(t *testing.T) {
	contents := map[string]string{"longer": "old content\n", "etag": "old content\n", "time": "old content\n", "mapped": strings.Repeat("old", 5000)}
	src := origintest.NewFiles()
	set := func(version int) {
		files := versions(contents, version)
		for i := range files {
			files[i].ETag = ""
			if files[i].Name != "time" {
				files[i].ETag = fmt.Sprintf(`"%d"`, version)
			}
			if files[i].Name == "etag" {
				files[i].ModTime = time.Unix(1_700_000_000, 0)
			}
		}
		src.Set(files...)
	}
	set(0)
	l := openListed(t, src, nil)
	process.MustRun(t, "ls", "-l", l.dir)
	mapped := process.Start(t, process.Command("python3", "-uc", `
import mmap, sys
f = open(sys.argv[1], "rb", buffering=0)
m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
print("mapped")
sys.stdin.readline()
print("read", m[:3])
`, l.path("mapped")))
	mapped.Says("mapped\n")
	contents = map[string]string{"longer": "new content, and more\n", "etag": "new content\n", "time": "new content\n", "mapped": strings.Repeat("new", 5000)}
	set(1)
	for _, name := range []string{"longer", "etag", "time"} {
		process.MustFail(t, "Stale file handle", "cat", l.path(name))
		eventually.True(t, "the new one", func() bool {
			got, err := process.Run(t, "cat", l.path(name))
			if err == nil && got != contents[name] {
				t.Errorf("%s: %q", name, got)
			}
			return err == nil
		})
		if got := process.MustRun(t, "stat", "-c", "%s", l.path(name)); got != fmt.Sprintln(len(contents[name])) {
			t.Errorf("%s: %s bytes", name, got)
		}
	}
	if _, err := mapped.Stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if status := mapped.Wait(); status != 128+int(unix.SIGBUS) && status != -1 || strings.Contains(mapped.Stdout.String(), "read") {
		t.Errorf("mapped: status %d, %q", status, mapped.Stdout.String())
	}
}

// TestListedReadWhileMirrored has twelve programs read all files while they are mirrored,
// half of which the origin has replaced since they were listed: nobody sees anything
// but the whole of the one that was listed, or of the new one, and only those that were
// replaced are an error. The directory may show those twice, as they are replaced while
// it is read.
func TestListedReadWhileMirrored(t *testing.T) {
	old, now := map[string]string{}, map[string]string{}
	for i := range 800 {
		name := fmt.Sprintf("%04d", i)
		old[name] = strings.Repeat(fmt.Sprintf("old %d,", i), 1+i%100+i%200/199*20_000)
		now[name] = old[name]
		if i%2 == 0 {
			now[name] = strings.ReplaceAll(old[name], "old", "new") + strings.Repeat("+", i/2%2)
		}
	}
	src := origintest.NewFiles(versions(old, 0)...)
	l := openListed(t, src, nil, func(o *mirror.Options, _ *fs.Options) { o.Prefetch, o.Connections = true, 2 })
	files := versions(now, 0)
	for i, f := range versions(now, 1) {
		if now[f.Name] != old[f.Name] {
			files[i] = f
		}
	}
	src.Set(files...)
	oldDir, nowDir := asFolder(t, old), asFolder(t, now)
	mirrored := make(chan error, 1)
	readers := process.Start(t, process.Command("sh", "-c", `
		ls "$1" | sort -u | shuf | xargs -P12 -I{} sh -c 'cat "$1/$4" >"$5/$4" 2>"$5/$4.err" || { cmp -s "$2/$4" "$3/$4" && cat "$5/$4.err"; grep -q Stale "$5/$4.err" || echo "$4 fails: $(cat "$5/$4.err")"; exit 0; }; cmp -s "$5/$4" "$2/$4" || cmp -s "$5/$4" "$3/$4" || echo "$4"' sh "$1" "$2" "$3" {} "$4"`,
		"sh", l.dir, oldDir, nowDir, t.TempDir()))
	go func() { mirrored <- l.engine.Run(t.Context()) }()
	if err := <-mirrored; err != nil {
		t.Fatal(err)
	}
	if status := readers.Wait(); status != 0 || readers.Stdout.String() != "" {
		t.Errorf("status %d, mixtures and errors: %.300q", status, readers.Stdout.String())
	}
	eventually.True(t, "all that the origin has", func() bool {
		_, err := process.Run(t, "diff", "-r", nowDir, l.dir)
		return err == nil
	})
}

// TestListedAnotherByARefresh has a refresh list a file with another length that is not here,
// under a mount that follows: it is shown with that, and read so; who has it open from
// before gets an error.
func TestListedAnotherByARefresh(t *testing.T) {
	src := origintest.NewFiles(versions(map[string]string{"a": "old", "b": "beside"}, 0)...)
	l := openListed(t, src, nil, func(_ *mirror.Options, o *fs.Options) {
		o.Lease, o.NextChange = time.Millisecond, func() time.Time { return time.Time{} }
	})
	const format = "%i %s %Y"
	before := process.MustRun(t, "stat", "-c", format, l.path("a"))
	beside := process.MustRun(t, "stat", "-c", format, l.path("b"))
	h := process.Start(t, process.Command("sh"))
	h.Eval(fmt.Sprintf("exec 3<%q", l.path("a")))
	now := versions(map[string]string{"a": "new and longer", "b": "beside"}, 0)
	now[0].ModTime = now[0].ModTime.Add(time.Hour)
	src.Set(now...)
	if _, err := l.engine.Refresh(t.Context(), mirror.RefreshOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "the new length", func() bool {
		after := strings.Fields(process.MustRun(t, "stat", "-c", format, l.path("a")))
		return after[0] != strings.Fields(before)[0] && after[1] == "14" && after[2] == fmt.Sprint(1_700_003_600)
	})
	if got := process.MustRun(t, "stat", "-c", format, l.path("b")); got != beside || l.gets() != 0 {
		t.Errorf("%q, and before %q; %d gets", got, beside, l.gets())
	}
	if got := process.MustRun(t, "cat", l.path("a")); got != "new and longer" {
		t.Errorf("%q", got)
	}
	if got := h.Eval("cat <&3 2>&1; true"); !strings.Contains(got, "Stale file handle") {
		t.Errorf("who had it open reads %q", got)
	}
	h.Kill()
}

// TestListedOf5TB lists a file that no disk here has room for.
func TestListedOf5TB(t *testing.T) {
	src := origintest.NewFiles(origintest.File{Name: "5TB"}, origintest.File{Name: "beside", Body: []byte("content")})
	l := openListed(t, src, func(e *mirror.Listed) {
		if e.ModTime = 1_700_000_000; e.Name == "5TB" {
			e.Size = 5 << 40
		} else {
			e.Size = 7
		}
	}, func(o *mirror.Options, _ *fs.Options) { o.MaxFile = 16 << 30 })
	if got := process.MustRun(t, "stat", "-c", "%s %b", l.path("5TB")); got != fmt.Sprintln(5<<40, 5<<40/512) {
		t.Errorf("%q", got)
	}
	for range 2 {
		process.MustFail(t, "Input/output error", "head", "-c", "1", l.path("5TB"))
	}
	process.MustFail(t, "Input/output error", "tail", "-c", "1", l.path("5TB"))
	if got := process.MustRun(t, "cat", l.path("beside")); got != "content" || l.server.Gets("5TB") != 0 {
		t.Errorf("%q, %d gets", got, l.server.Gets("5TB"))
	}
}

// TestListedLongFile reads the beginning and the end of a long file of which the middle has
// not come.
func TestListedLongFile(t *testing.T) {
	const size = 64 << 20
	h := origintest.NewHeldFile("long", origintest.HeldState{Size: size, Free: 1 << 20, ETag: `"v0"`})
	l := openListed(t, h, func(e *mirror.Listed) { e.Size, e.ModTime, e.ETag = size, 1_700_000_000, `"v0"` })
	t.Cleanup(h.Release)
	if got := process.MustRun(t, "stat", "-c", "%s", l.path("long")); got != fmt.Sprintln(size) || l.gets() != 0 {
		t.Errorf("%q, %d gets", got, l.gets())
	}
	if got := process.MustRun(t, "head", "-c", "1000", l.path("long")); got != string(h.Content(0, 0, 1000)) {
		t.Errorf("another beginning")
	}
	if got := process.MustRun(t, "tail", "-c", "1000", l.path("long")); got != string(h.Content(0, size-1000, 1000)) {
		t.Errorf("another end")
	}
	h.Release()
	whole := process.MustRun(t, "cat", l.path("long"))
	if !bytes.Equal([]byte(whole), h.Content(0, 0, size)) || l.server.Counts().Status[200] != 2 { // of the listing, and of the file
		t.Errorf("%d bytes, %v", len(whole), l.server.Counts().Status)
	}
	if got := process.MustRun(t, "stat", "-c", "%s %Y", l.path("long")); got != fmt.Sprintln(size, 1_700_000_000) {
		t.Errorf("%q", got)
	}
}

// TestListedAndTheOriginHangs has a program wait in read(2) for an origin that hangs: it can
// be interrupted, others read on, and the mount goes.
func TestListedAndTheOriginHangs(t *testing.T) {
	h := origintest.NewHeldFile("long", origintest.HeldState{Size: 1 << 20, ETag: `"v0"`})
	l := openListed(t, h, func(e *mirror.Listed) { e.Size, e.ModTime, e.ETag = 1<<20, 1_700_000_000, `"v0"` })
	t.Cleanup(h.Release)
	asked := func(n int64) {
		t.Helper()
		eventually.True(t, "the origin to be asked", func() bool { return l.gets() >= n })
	}
	ctrlC := process.Start(t, process.Command("cat", l.path("long")))
	asked(1)
	ctrlC.Signal(os.Interrupt)
	if status := ctrlC.Wait(); status == 0 {
		t.Errorf("cat ends well after Ctrl-C")
	}
	waiting := process.Start(t, process.Command("cat", l.path("long")))
	process.MustRun(t, "ls", "-l", l.dir)
	if err := l.close(); err != nil {
		t.Error(err)
	}
	if status := waiting.Wait(); status == 0 {
		t.Errorf("cat ends well after the unmount")
	}
}

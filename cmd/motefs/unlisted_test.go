package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// growing is a mirror in segments whose listing stops in its middle until it is let go on.
type growing struct {
	src    *serve.Synthetic
	origin *origintest.Server
	url    string // of the segments
	mirror *process.Process
	goOn   func()
	away   func(faults bool) // has each get of the origin fail, or not any more
}

// extra is at the origin, which does not list it.
const extra = "extra"

// pagesFirst is how many pages of 250 names are listed before the listing stops.
const pagesFirst = 3

func startGrowing(t *testing.T, files int64, args ...string) *growing {
	t.Helper()
	fusetest.Need(t)
	g := &growing{src: serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 1000, LargeEvery: 97, LargeSize: 200_000})}
	g.origin = serveTest(t, serve.Options{PageSize: 250}, g.src)
	wait := make(chan struct{})
	g.goOn = sync.OnceFunc(func() { close(wait) })
	t.Cleanup(g.goOn)
	var pages atomic.Int64 // but for the first
	g.away = func(fails bool) {
		g.origin.SetFaults(origintest.Faults{
			OnList: func(marker string, _ int) origintest.Fault {
				if marker != "" && pages.Add(1) > pagesFirst-1 {
					<-wait
				}
				return origintest.Fault{}
			},
			OnGet: func(name []byte, _ int) origintest.Fault {
				switch {
				case fails:
					return origintest.Fault{Status: 503}
				case string(name) == extra:
					return origintest.Fault{Status: 200, Body: []byte("more")}
				}
				return origintest.Fault{}
			},
		})
	}
	g.away(false)
	g.url = "file://" + filepath.Join(t.TempDir(), "objects")
	args = append([]string{"mirror", "--segments", g.url, "--segment-names", "400", "--cluster-haste", "20", "--store", filepath.Join(t.TempDir(), "work")}, args...)
	g.mirror = process.Start(t, motefs(t, append(args, g.origin.URL())...))
	g.mirror.Says("mirroring")
	return g
}

// startSegments mounts a mirror in segments.
func startSegments(t *testing.T, url string, args ...string) *mountedProcess {
	t.Helper()
	m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	t.Cleanup(m.clear)
	return m.start(motefs(t, append(append([]string{"mount", "--store", m.store, "--segments", url}, args...), m.dir)...))
}

// TestUnlistedFromTheOrigin: while a mirror in segments grows, a mount with --origin has files that
// no segment has yet, one without has not; nothing is shown twice or mixed once segments have them,
// and when the mirror is complete it alone says what there is.
func TestUnlistedFromTheOrigin(t *testing.T) {
	t.Parallel()
	const files = 1300
	g := startGrowing(t, files)
	with := startSegments(t, g.url, "--origin", g.origin.URL())
	without := startSegments(t, g.url)
	names := func(m *mountedProcess) string {
		return strings.TrimSpace(shell(t, `find "$1" -type f | wc -l`, m.dir))
	}
	for _, m := range []*mountedProcess{with, without} { // how many depends on how fast they are listed
		eventually.True(t, "the names of a segment", func() bool { return names(m) != "0" })
	}
	reads := func(k int64) {
		t.Helper()
		if got := shell(t, `cat "$1/$2"`, with.dir, g.src.Name(k)); got != string(g.src.Body(k)) {
			t.Errorf("file %d reads %d bytes: %.100q", k, len(got), got)
		}
	}
	const short, long, later = 900, 969, 901 // of which the mirror has the directory
	for range 2 {
		reads(short)
		reads(long)
	}
	if n := g.origin.Gets(g.src.Name(short)); n != 1 {
		t.Errorf("it is asked for %d times", n)
	}
	process.MustFail(t, "No such file", "cat", filepath.Join(without.dir, g.src.Name(short)))
	if got := shell(t, `cat "$1"`, filepath.Join(with.dir, extra)); got != "more" {
		t.Errorf("what is not listed reads %q", got)
	}
	for n := 1; n <= 2; n++ { // asked each time
		process.MustFail(t, "No such file", "cat", filepath.Join(with.dir, "d000000", "none"))
		if got := g.origin.Gets("d000000/none"); got != n {
			t.Errorf("it is asked for %d times, want %d", got, n)
		}
	}
	process.MustFail(t, "No such file", "cat", filepath.Join(with.dir, g.src.Name(1100))) // its directory is in no segment
	if shown := shell(t, `cd "$1" && find . -type f`, with.dir); strings.Contains(shown, g.src.Name(short)) || strings.Contains(shown, extra) {
		t.Errorf("find shows what no segment has: %s", shown)
	}
	g.away(true)
	process.MustFail(t, "Input/output error", "cat", filepath.Join(with.dir, g.src.Name(later)))
	reads(short)
	g.away(false)
	reads(later)

	number := func() string {
		return shell(t, `stat -c %i "$1/$2"`, with.dir, g.src.Name(short))
	}
	before := number()
	held := process.Start(t, process.Command("sh", "-c", `exec 3<"$1"; echo open; read line; cat <&3`, "sh", filepath.Join(with.dir, g.src.Name(short))))
	held.Says("open")
	g.goOn()
	if status := g.mirror.Wait(); status != exitOK {
		t.Fatalf("the mirror ends with %d: %s", status, g.mirror)
	}
	eventually.True(t, "all names", func() bool { return names(with) == fmt.Sprint(files) })
	if twice := shell(t, `find "$1" | sort | uniq -d`, with.dir); twice != "" {
		t.Errorf("there are twice: %s", twice)
	}
	eventually.True(t, "the number of the segment", func() bool { return number() != before })
	for _, k := range []int64{short, long, later, 1100} {
		reads(k)
	}
	if _, err := fmt.Fprintln(held.Stdin, "read"); err != nil {
		t.Fatal(err)
	}
	if status := held.Wait(); status != 0 || !strings.HasSuffix(held.Stdout.String(), string(g.src.Body(short))) {
		t.Errorf("who has it open reads %q, status %d: %s", held.Stdout, status, held.Stderr)
	}
	eventually.True(t, "the end of what no segment has", func() bool {
		out, err := process.Run(t, "cat", filepath.Join(with.dir, extra))
		return err != nil && strings.Contains(out+err.Error(), "No such file")
	})
	without.stop()
	side := filepath.Join(with.store, unlistedDir)
	if out := process.MustRun(t, motefs(t).Path, "verify", "--store", with.store); strings.Count(out, "is sound") != 2 || !strings.Contains(out, side) {
		t.Errorf("verify says %s", out)
	}
	with.Signal(os.Interrupt)
	if status := with.Wait(); status != exitOK || len(mountsBelow(with.dir)) > 0 {
		t.Errorf("status %d, and the mounts %q: %s", status, mountsBelow(with.dir), with)
	}
	if n := strings.Count(with.Stderr.String(), " ERR "); n != 1 { // of who read while the origin was away
		t.Errorf("it logs %d errors:\n%s", n, with.Stderr)
	}
	again := startSegments(t, g.url, "--origin", g.origin.URL(), "--store", with.store)
	if _, err := os.Stat(side); !os.IsNotExist(err) {
		t.Errorf("what no segment had is still here: %v", err)
	}
	if got := shell(t, `cat "$1/$2"`, again.dir, g.src.Name(short)); got != string(g.src.Body(short)) {
		t.Errorf("then it reads %q", got)
	}
	again.stop()
}

// TestOriginOfAnotherMirror: --origin is the mirror's, or nothing is mounted.
func TestOriginOfAnotherMirror(t *testing.T) {
	t.Parallel()
	s, other := serveTest(t, serve.Options{}, synthetic(3)), serveTest(t, serve.Options{}, synthetic(3))
	url := "file://" + filepath.Join(t.TempDir(), "objects")
	finish(t, exitOK, "mirror", "--segments", url, "--store", filepath.Join(t.TempDir(), "work"), s.URL())
	p := finish(t, exitUsage, "mount", "--segments", url, "--origin", other.URL(), "--store", filepath.Join(t.TempDir(), "store"), t.TempDir())
	for _, want := range []string{"--origin " + other.URL(), "is not what " + url, s.URL()} {
		if text := p.Stderr.String(); !strings.Contains(text, want) {
			t.Errorf("%q is missing in %q", want, text)
		}
	}
}

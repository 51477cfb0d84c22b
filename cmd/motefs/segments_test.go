package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestDemoCluster: three processes make a mirror, of which one is killed, and it is whole.
func TestDemoCluster(t *testing.T) {
	t.Parallel()
	p := finish(t, exitOK, "demo", "--cluster", "--files", "20000")
	out := p.Stdout.String()
	for _, want := range []string{"NATS is at nats://127.0.0.1:", "is killed", "\n20000\n", "unmounting"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, p)
		}
	}
}

// TestMirrorInSegments makes one with a single process, goes on with it, mounts it, and reads all.
func TestMirrorInSegments(t *testing.T) {
	t.Parallel()
	const files = 3000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 100, LargeEvery: 701, LargeSize: 100_000})
	s := serveTest(t, serve.Options{PageSize: 250}, src)
	url := "file://" + filepath.Join(t.TempDir(), "objects")
	mirror := func() string {
		return finish(t, exitOK, "mirror", "--segments", url, "--segment-names", "700", "--store", filepath.Join(t.TempDir(), "work"), s.URL()).Stdout.String()
	}
	if out := mirror(); !strings.Contains(out, "3,000 listed, 3,000 fetched") || !strings.Contains(out, "motefs mount --segments "+url) {
		t.Errorf("it says %q", out)
	}
	gets := s.Counts().Gets
	if out := mirror(); !strings.Contains(out, "3,000 listed, 3,000 fetched") || s.Counts().Gets != gets {
		t.Errorf("once more it says %q, with %d gets instead of %d", out, s.Counts().Gets, gets)
	}
	b := newBackground(t)
	finish(t, exitOK, "mount", "--daemon", "--store", b.store, "--log-file", b.log, "--segments", url, b.dir)
	if got := strings.TrimSpace(shell(t, `find "$1" -type f | wc -l`, b.dir)); got != fmt.Sprint(files) {
		t.Errorf("%s files are there", got)
	}
	for _, k := range []int64{0, 700, 701, files - 1} {
		if got := shell(t, `cat "$1/$2"`, b.dir, src.Name(k)); got != string(src.Body(k)) {
			t.Errorf("file %d reads %.100q", k, got)
		}
	}
	if out := finish(t, exitOK, "status", b.dir).Stdout.String(); !strings.Contains(out, "3,000") {
		t.Errorf("its status is %s", out)
	}
	finish(t, exitOK, "unmount", b.dir)
	b.gone()
	finish(t, exitOK, "verify", "--store", b.store)
	// A mirror of one origin is none of another.
	other := serveTest(t, serve.Options{}, synthetic(1))
	p := finish(t, exitStore, "mirror", "--segments", url, "--store", filepath.Join(t.TempDir(), "work"), other.URL())
	if text := p.Stderr.String(); !strings.Contains(text, s.URL()) || !strings.Contains(text, other.URL()) {
		t.Errorf("it says %q", text)
	}
}

// TestSegmentsInterrupted: who stops a mirror is told who goes on with it; who comes when it is complete
// needs no NATS, which may have ended with the process that ran it.
func TestSegmentsInterrupted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "the mirror is not complete, run the same command again"},
		{[]string{"--cluster", "embedded", "--cluster-listen", "127.0.0.1:0"}, "others wait for the server of this process"},
	} {
		g := startGrowing(t, 1300, c.args...)
		g.mirror.Signal(os.Interrupt)
		if status, out := g.mirror.Wait(), g.mirror.Stdout.String(); status != exitInterrupted || !strings.Contains(out, c.want) {
			t.Errorf("with %q it ends with %d: %s", c.args, status, g.mirror)
		}
		g.goOn()
		finish(t, exitOK, "mirror", "--segments", g.url, "--segment-names", "400", "--store", filepath.Join(t.TempDir(), "work"), g.origin.URL())
		p := finish(t, exitOK, "mirror", "--segments", g.url, "--cluster", "nats://127.0.0.1:1", "--store", filepath.Join(t.TempDir(), "work"), g.origin.URL())
		if out := p.Stdout.String(); !strings.Contains(out, "1,300 fetched") {
			t.Errorf("after the end it says %s", p)
		}
	}
}

// TestSegmentsUsage: what does not go together is said in one line.
func TestSegmentsUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"mirror", "--cluster", "nats://127.0.0.1:1", "http://127.0.0.1:1"}, "--cluster goes with --segments"},
		{[]string{"mirror", "--segments", "ftp://x/y", "http://127.0.0.1:1"}, "give s3://BUCKET/PREFIX or file:///FOLDER"},
		{[]string{"mirror", "--segments", "file:///tmp/x", "--refresh", "http://127.0.0.1:1"}, "does not go with --segments"},
		{[]string{"mirror", "--segments-region", "x", "http://127.0.0.1:1"}, "go with --segments"},
		{[]string{"mount", "--segments", "file:///tmp/x"}, "MOUNTPOINT is missing"},
		{[]string{"mount", "--segments", "file:///tmp/x", "http://127.0.0.1:1", "/mnt"}, "there is no ORIGIN"},
		{[]string{"mount", "--cache-size", "1G", "http://127.0.0.1:1", "/mnt"}, "--cache-size and --origin go with --segments"},
		{[]string{"status", "--cluster", "embedded"}, "give the URL of that server"},
		{[]string{"status", "--cluster", "nats://127.0.0.1:1", "--nats-creds", "/nowhere/creds"}, "check --nats-creds"},
		{[]string{"mirror", "--segments", "file:///tmp/x", "--cluster", "embedded", "--cluster-listen", ":4222", "http://127.0.0.1:1"}, "give an address such as"},
		{[]string{"mirror", "--segments", "file:///tmp/x", "--cluster", "embedded", "--nats-creds", "x", "http://127.0.0.1:1"}, "--nats-creds goes with --cluster nats://HOST:PORT"},
		{[]string{"status", "--cluster", "nats://user:secret@127.0.0.1:1", "/mnt"}, "leave out"},
	} {
		p := finish(t, exitUsage, c.args...)
		if text := p.Stderr.String(); !strings.Contains(text, c.want) || strings.Contains(text, "secret") {
			t.Errorf("%q: it says %q", c.args, text)
		}
	}
}

// TestSegmentsPlaces: a place that is no folder, or the store of another kind of mirror, has the status that
// README.md gives it, and nothing is written there.
func TestSegmentsPlaces(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(10))
	plain := filepath.Join(t.TempDir(), "plain")
	finish(t, exitOK, "mirror", "--store", plain, s.URL())
	before := shell(t, `find "$1" | sort`, plain)
	p := finish(t, exitStore, "mirror", "--segments", "file://"+plain, "--store", filepath.Join(t.TempDir(), "work"), s.URL())
	if text := p.Stderr.String(); !strings.Contains(text, "is the store of a mirror without --segments") {
		t.Errorf("it says %q", text)
	}
	if after := shell(t, `find "$1" | sort`, plain); after != before {
		t.Errorf("it has %s and not %s", after, before)
	}
	for _, url := range []string{"file://" + filepath.Join(plain, "no", "folder"), "file://" + filepath.Join(plain, "FORMAT")} {
		for _, args := range [][]string{{"mirror", "--segments", url, s.URL()}, {"mount", "--segments", url, t.TempDir()}, {"status", "--segments", url}} {
			if text := finish(t, exitOrigin, args...).Stderr.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "; ") {
				t.Errorf("%q: it says %q", args, text)
			}
		}
	}
}

// TestSegmentsCounts: what a process says at its end is what the mirror has, also where others have
// made it: in JSON and in the file for node_exporter.
func TestSegmentsCounts(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 30, LargeEvery: 10, LargeSize: 5000})
	s := serveTest(t, serve.Options{}, src)
	url := "file://" + filepath.Join(t.TempDir(), "objects")
	for _, own := range []uint64{27, 0} {
		file := filepath.Join(t.TempDir(), "motefs.prom")
		p := finish(t, exitFailed, "mirror", "--segments", url, "--max-file-size", "1K", "--json", "--metrics-textfile", file, "--store", filepath.Join(t.TempDir(), "work"), s.URL())
		out := strings.TrimSpace(p.Stdout.String())
		var st status.Status
		if err := json.Unmarshal([]byte(out[strings.LastIndex(out, "\n")+1:]), &st); err != nil {
			t.Fatalf("%v: %s", err, p)
		}
		if !st.ListingComplete || st.Listed != 30 || st.Fetched != 27 || st.Failed != 3 || st.Pending != 0 || *st.RunFiles != own || st.State != status.Ended {
			t.Errorf("it says %s", out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all := parseMetrics(t, strings.NewReader(string(text)))
		for state, want := range map[string]float64{"fetched": 27, "failed": 3, "pending": 0} {
			if n := all.value("motefs_files", `state="`+state+`"`); n != want {
				t.Errorf("%v files are %s:\n%s", n, state, text)
			}
		}
		if n := all.value("motefs_listing_complete", ""); n != 1 {
			t.Errorf("the listing is not complete:\n%s", text)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

func TestMirrorThenMount(t *testing.T) {
	src := synthetic(3000)
	s := serveTest(t, serve.Options{}, src)
	store := filepath.Join(t.TempDir(), "store")
	p := finish(t, exitOK, "mirror", "--store", store, s.URL())
	for _, want := range []string{store, s.URL(), "3,000 fetched", "the mirror is complete"} {
		if !strings.Contains(p.Stdout.String(), want) {
			t.Errorf("mirror does not say %q:\n%s", want, p.Stdout)
		}
	}
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	// Beside the files' own there are the probe and the guards, some for each round.
	if n := s.Counts().Gets; n < 3000 || n > 3000+wire.ProbeGets+200 {
		t.Errorf("%d gets", n)
	}
	v := finish(t, exitOK, "verify", "--store", store, s.URL())
	if !strings.Contains(v.Stdout.String(), "the store is sound") {
		t.Errorf("verify says %q", v.Stdout)
	}
}

// TestKilledSlow kills a mirror of an origin that takes 50 ms for each file and is
// asked for one at a time. What is fetched again was asked for in the last five
// seconds; the sixth is this test's own.
func TestKilledSlow(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 4000})
	s := serveTest(t, serve.Options{GetLatency: 50 * time.Millisecond}, src)
	s.CountNames()
	store := filepath.Join(t.TempDir(), "store")
	p := start(t, "mirror", "--store", store, "--pipeline", "off", s.URL())
	var early int64
	eventually.True(t, "1,000 gets", func() bool { early = s.Counts().Gets; return early >= 1000 })
	time.Sleep(6 * time.Second) // while it is asked for more
	late := s.Counts().Gets
	p.Signal(syscall.SIGKILL)
	p.Wait()
	if late >= 4000 {
		t.Fatalf("all was asked for before the kill: %d gets", late)
	}
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	again := int64(0)
	for i := range src.Len() {
		if n := s.Gets(src.Name(i)); n > 1 && n < 10 { // more often: a guard
			again++
		}
	}
	t.Logf("%d gets in six seconds before the kill, %d files fetched again", late-early, again)
	if again > late-early {
		t.Errorf("%d files were fetched again, %d gets came in six seconds before", again, late-early)
	}
}

// TestReclaimedBlobs has a blob file that belongs to no entry, and others' files beside
// it: verify removes the one, and only if asked to.
func TestReclaimedBlobs(t *testing.T) {
	s := serveTest(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: 3, BodySize: 100_000}))
	store := filepath.Join(t.TempDir(), "store")
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	lost, precious := filepath.Join(store, "blobs", "ab", "00000000000012ab"), filepath.Join(store, "blobs", "ab", "precious")
	if err := os.MkdirAll(filepath.Dir(lost), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{lost, precious} {
		if err := os.WriteFile(path, []byte("lost"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if v := finish(t, exitOK, "verify", "--store", store); !strings.Contains(v.Stdout.String(), "2 blob files (8 B) belong to no entry") {
		t.Errorf("verify says %q", v.Stdout)
	}
	if v := finish(t, exitOK, "verify", "--store", store, "--reclaim"); !strings.Contains(v.Stdout.String(), "removed 1 blob files (4 B)") {
		t.Errorf("verify --reclaim says %q", v.Stdout)
	}
	if _, err := os.Stat(lost); !os.IsNotExist(err) {
		t.Errorf("the lost blob: %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	blobs, err := filepath.Glob(filepath.Join(store, "blobs", "??", "????????????????"))
	if err != nil || len(blobs) != 3 {
		t.Errorf("blobs %q, %v", blobs, err)
	}
}

func TestInterruptedMirrorLosesNothing(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{PageSize: 200, ListLatency: 20 * time.Millisecond}, synthetic(30_000))
	store := filepath.Join(t.TempDir(), "store")
	p := start(t, "mirror", "--store", store, s.URL())
	eventually.True(t, "2,000 gets", func() bool { return s.Counts().Gets >= 2000 })
	p.Signal(os.Interrupt)
	if status := p.Wait(); status != exitInterrupted {
		t.Errorf("an interrupted mirror exits with %d:\n%s%s", status, p.Stdout, p.Stderr)
	}
	finish(t, exitOK, "verify", "--store", store)
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	if n := s.Counts().Gets; n > 30_000+1000 {
		t.Errorf("%d gets for 30000 files", n)
	}
}

func TestFailedFilesAreNamed(t *testing.T) {
	t.Parallel()
	src := synthetic(500)
	s := serveTest(t, serve.Options{}, src)
	bad := src.Name(123)
	s.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if string(name) == bad {
			return origintest.Fault{Body: make([]byte, 1000)} // what may pass would be asked for again and again
		}
		return origintest.Fault{}
	}})
	store := filepath.Join(t.TempDir(), "store")
	p := finish(t, exitFailed, "mirror", small, "--store", store, s.URL())
	if text := p.Stderr.String(); !strings.Contains(text, bad) || !strings.Contains(text, "too large") || !strings.Contains(text, "motefs failures") {
		t.Errorf("the failed file is not named:\n%s", text)
	}
	l := finish(t, exitOK, "failures", "--store", store)
	if text := l.Stdout.String(); !strings.Contains(text, bad) || len(lines(text)) != 1 {
		t.Errorf("motefs failures says %q", text)
	}
	s.SetFaults(origintest.Faults{})
	finish(t, exitOK, "mirror", small, "--store", store, s.URL())
}

func TestHeaderReachesTheOrigin(t *testing.T) {
	s := serveTest(t, serve.Options{Token: "secret"}, synthetic(10))
	finish(t, exitOrigin, "mirror", "--store", t.TempDir(), s.URL())
	finish(t, exitOK, "mirror", "--store", t.TempDir(), "--header", "Authorization: Bearer secret", s.URL())
}

func TestLimitsReachTheEngine(t *testing.T) {
	s := serveTest(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: 20, LargeEvery: 20, LargeSize: 5000}))
	p := finish(t, exitFailed, "mirror", "--store", t.TempDir(), "--max-file-size", "4K", "--limit-rate", "1M", "--limit-files", "1000", s.URL())
	if !strings.Contains(p.Stderr.String(), "too large") {
		t.Errorf("a file over the limit: %q", p.Stderr)
	}
}

func TestDamageIsFound(t *testing.T) {
	s := serveTest(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: 3, BodySize: 100_000}))
	store := filepath.Join(t.TempDir(), "store")
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	blobs, err := filepath.Glob(filepath.Join(store, "blobs", "??", "*"))
	if err != nil || len(blobs) != 3 {
		t.Fatalf("blobs %q, %v", blobs, err)
	}
	f, err := os.OpenFile(blobs[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damage"), 5000); err != nil {
		t.Fatal(err)
	}
	f.Close()
	p := finish(t, exitDamaged, "verify", "--store", store)
	if !strings.Contains(p.Stdout.String(), "problem:") {
		t.Errorf("verify says %q", p.Stdout)
	}
}

func TestDemo(t *testing.T) {
	fusetest.Need(t)
	before := tempEntries(t)
	p := finish(t, exitOK, "demo", "--files", "20000")
	for _, want := range []string{"ls -U | head -n 3", "file-0000000", "cat", "20000", "files/s", "µs of CPU a file", "of memory"} {
		if !strings.Contains(p.Stdout.String(), want) {
			t.Errorf("the demo does not show %q:\n%s", want, p.Stdout)
		}
	}
	if after := tempEntries(t); after != before {
		t.Errorf("the demo leaves something behind: %s, then %s", before, after)
	}
}

func tempEntries(t *testing.T) string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "motefs-demo-*"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(left)
}

func TestServeDirectory(t *testing.T) {
	tree := makeTree(t)
	p := start(t, "serve", "--listen", "127.0.0.1:0", tree)
	p.Says("origin at ")
	_, rest, _ := strings.Cut(p.Stdout.String(), "origin at ")
	url, _, _ := strings.Cut(rest, ";")
	m := startMount(t, url, "--prefetch-all")
	m.Logs("mirror is complete")
	process.MustRun(t, "diff", "-r", tree, m.dir)
	m.stop()
	p.Signal(syscall.SIGTERM)
	if status := p.Wait(); status != 0 {
		t.Errorf("serve exits with %d:\n%s", status, p.Stderr)
	}
}

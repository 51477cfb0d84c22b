package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

const largeName = "dir/large"

func serveHeld(t *testing.T, size, free int64) (*origintest.Server, *origintest.HeldFile) {
	t.Helper()
	h := origintest.NewHeldFile(largeName, origintest.HeldState{ETag: `"one"`, Size: size, Free: free})
	s := serveTest(t, serve.Options{}, h)
	t.Cleanup(h.Release) // before the server closes
	return s, h
}

// TestLargeFileIsReadWhileItComes has the first and the last bytes of 256 MiB
// read while the origin holds back what is between, and then all of it.
func TestLargeFileIsReadWhileItComes(t *testing.T) {
	t.Parallel()
	const size = 256 << 20
	s, h := serveHeld(t, size, 8<<20)
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	path := filepath.Join(m.dir, largeName)
	if got := strings.TrimSpace(shell(t, `stat -c "%s %Y" "$1"`, path)); !strings.HasPrefix(got, fmt.Sprint(size, " ")) {
		t.Errorf("stat says %q", got)
	}
	before := shell(t, `stat -c "%i %s %Y %Z" "$1"`, path)
	if got := process.MustRun(t, "head", "-c", "4096", path); got != string(h.Content(0, 0, 4096)) {
		t.Error("the first bytes read wrong")
	}
	if got := process.MustRun(t, "tail", "-c", "5000", path); got != string(h.Content(0, size-5000, 5000)) {
		t.Error("the last bytes read wrong")
	}
	if got := process.MustRun(t, "sh", "-c", `dd if="$1" bs=1M skip=150 count=1 status=none`, "sh", path); got != string(h.Content(0, 150<<20, 1<<20)) {
		t.Error("bytes of the middle read wrong")
	}
	h.Release()
	cmp := exec.Command("cmp", path, "-") // in the middle when it becomes whole
	cmp.Stdin = h.Reader(0)
	var out bytes.Buffer
	cmp.Stdout, cmp.Stderr = &out, &out
	if err := cmp.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmp.Wait(); err != nil {
		t.Errorf("%v, %s", err, &out)
	}
	if got := shell(t, `stat -c "%i %s %Y %Z" "$1"`, path); got != before {
		t.Errorf("stat says %q, and then %q", before, got)
	}
	if n := s.Counts().Status[200]; n > 4 { // lists, and one stream
		t.Errorf("%d whole answers", n)
	}
	if n := s.Counts().Status[206]; n < 2 || n > 12 {
		t.Errorf("%d ranges", n)
	}
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store)
}

// TestUnmountWhileALargeFileComes ends a mount with readers in the middle, and
// kills one; both leave a sound store and nothing of the file.
func TestUnmountWhileALargeFileComes(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(m *mountedProcess){
		"SIGTERM": func(m *mountedProcess) {
			m.Signal(syscall.SIGTERM)
			if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
				t.Errorf("status %d, mounts %q:\n%s", status, mountsBelow(m.dir), m.Stderr)
			}
		},
		"kill": func(m *mountedProcess) {
			m.Kill()
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, h := serveHeld(t, 64<<20, 8<<20)
			m := startMount(t, s.URL())
			m.Logs("every name is listed")
			reader := exec.Command("cat", filepath.Join(m.dir, largeName))
			out, err := reader.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := reader.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
			end(m)
			_, _ = io.Copy(io.Discard, out)
			if err := reader.Wait(); err == nil {
				t.Error("cat ends well")
			}
			h.Release()
			finish(t, exitOK, "verify", "--store", m.store)
			again := m.again(s.URL())
			if left, err := filepath.Glob(filepath.Join(m.store, "blobs", "tmp", "*")); err != nil || len(left) > 0 {
				t.Errorf("left: %q, %v", left, err)
			}
			if got := process.MustRun(t, "cat", filepath.Join(m.dir, largeName)); got != string(h.Content(0, 0, 64<<20)) {
				t.Error("it reads wrong")
			}
			again.stop()
			finish(t, exitOK, "verify", "--store", m.store)
		})
	}
}

// TestLargeFileBreaksOff has the origin change a file and cut its stream: readers
// get an error and never bytes of both; the next one reads the new file.
func TestLargeFileBreaksOff(t *testing.T) {
	t.Parallel()
	body := func(c string) []byte { return bytes.Repeat([]byte(c), 8<<20) }
	src := origintest.NewFiles(origintest.File{Name: largeName, Body: body("a"), ETag: `"a"`})
	s := serveTest(t, serve.Options{}, src)
	cut := make(chan struct{})
	s.SetFaults(origintest.Faults{
		OnGet: origintest.FirstTries(1, origintest.Fault{Mode: origintest.CutBody, N: 6 << 20}),
		OnRange: func([]byte, string) origintest.Fault {
			<-cut
			return origintest.Fault{}
		},
	})
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	path := filepath.Join(m.dir, largeName)
	reader := process.Start(t, process.Command("cat", path))
	shell(t, `head -c 100000 "$1" >/dev/null`, path)
	src.Set(origintest.File{Name: largeName, Body: body("b"), ETag: `"b"`})
	close(cut)
	if status, out := reader.Wait(), reader.Stdout.String(); status == 0 || strings.Contains(out, "b") {
		t.Errorf("whoever read it gets status %d, %d bytes, %s", status, len(out), reader.Stderr)
	}
	if got := process.MustRun(t, "cat", path); got != string(body("b")) {
		t.Errorf("the next reads %d bytes, %.10q", len(got), got)
	}
	m.Signal(os.Interrupt) // it has logged trouble
	if status := m.Wait(); status != 0 {
		t.Errorf("mount exits with %d:\n%s", status, m.Stderr)
	}
	finish(t, exitOK, "verify", "--store", m.store)
}

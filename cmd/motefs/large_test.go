package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// held is an origin's long file, whose stream does not go on beyond a point
// until it is released. Ranges are not held.
type held struct {
	*origintest.Files
	body *serve.Synthetic
	size int64
	free int64
	gate chan struct{}
	once sync.Once
}

const largeName = "dir/large"

func newHeld(size, free int64) *held {
	return &held{
		Files: origintest.NewFiles(origintest.File{Name: largeName}),
		body:  serve.NewSynthetic(serve.SyntheticOptions{Files: 1, BodySize: size}),
		size:  size, free: free, gate: make(chan struct{}),
	}
}

func (h *held) release() { h.once.Do(func() { close(h.gate) }) }

func (h *held) Get(name []byte, o *serve.Object) error {
	if string(name) != largeName {
		return serve.ErrNotFound
	}
	o.At, o.Size, o.ETag = &heldAnswer{h: h}, h.size, append(o.ETag[:0], `"one"`...)
	return nil
}

type heldAnswer struct {
	h             *held
	begun, ranged bool
}

func (a *heldAnswer) ReadAt(p []byte, off int64) (int, error) {
	if !a.begun {
		a.begun, a.ranged = true, off > 0
	}
	if !a.ranged && off+int64(len(p)) > a.h.free {
		<-a.h.gate
	}
	return a.h.body.Reader(0).ReadAt(p, off)
}

func (h *held) content(off, n int64) string {
	b := make([]byte, n)
	_, _ = h.body.Reader(0).ReadAt(b, off)
	return string(b)
}

func serveHeld(t *testing.T, size, free int64) (*origintest.Server, *held) {
	t.Helper()
	h := newHeld(size, free)
	s := serveTest(t, serve.Options{}, h)
	t.Cleanup(h.release) // before the server closes
	return s, h
}

// TestLargeFileIsReadWhileItComes has the first and the last bytes of a gigabyte
// read while the origin holds back what is between, and then all of it.
func TestLargeFileIsReadWhileItComes(t *testing.T) {
	const size = 1 << 30
	s, h := serveHeld(t, size, 8<<20)
	m := startMount(t, s.URL())
	m.waitLog("every name is listed")
	path := filepath.Join(m.dir, largeName)
	if got := strings.TrimSpace(shell(t, `stat -c "%s %Y" "$1"`, path)); !strings.HasPrefix(got, "1073741824 ") {
		t.Errorf("stat says %q", got)
	}
	before := shell(t, `stat -c "%i %s %Y %Z" "$1"`, path)
	if got := child(t, "head", "-c", "4096", path); got != h.content(0, 4096) {
		t.Error("the first bytes read wrong")
	}
	if got := child(t, "tail", "-c", "5000", path); got != h.content(size-5000, 5000) {
		t.Error("the last bytes read wrong")
	}
	if got := child(t, "sh", "-c", `dd if="$1" bs=1M skip=500 count=3 status=none`, "sh", path); got != h.content(500<<20, 3<<20) {
		t.Error("bytes of the middle read wrong")
	}
	cmp := exec.Command("cmp", path, "-") // in the middle when it becomes whole
	cmp.Stdin = h.body.Reader(0)
	var out bytes.Buffer
	cmp.Stdout, cmp.Stderr = &out, &out
	if err := cmp.Start(); err != nil {
		t.Fatal(err)
	}
	h.release()
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
	for what, end := range map[string]func(m *mountedProcess){
		"Ctrl-C": func(m *mountedProcess) {
			m.signal(os.Interrupt)
			if status := m.wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
				t.Errorf("status %d, mounts %q:\n%s", status, mountsBelow(m.dir), m.stderr)
			}
		},
		"kill": func(m *mountedProcess) {
			if err := m.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			m.wait()
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, h := serveHeld(t, 64<<20, 8<<20)
			m := startMount(t, s.URL())
			m.waitLog("every name is listed")
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
			h.release()
			finish(t, exitOK, "verify", "--store", m.store)
			again := start(t, "mount", "--store", m.store, s.URL(), m.dir)
			again.waitFor("serving")
			if left, err := filepath.Glob(filepath.Join(m.store, "blobs", "tmp", "*")); err != nil || len(left) > 0 {
				t.Errorf("left: %q, %v", left, err)
			}
			if got := child(t, "cat", filepath.Join(m.dir, largeName)); got != h.content(0, 64<<20) {
				t.Error("it reads wrong")
			}
			(&mountedProcess{process: again, dir: m.dir}).stop()
			finish(t, exitOK, "verify", "--store", m.store)
		})
	}
}

// TestLargeFileBreaksOff has the origin change a file and cut its stream: readers
// get an error and never bytes of both; the next one reads the new file.
func TestLargeFileBreaksOff(t *testing.T) {
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
	m.waitLog("every name is listed")
	path := filepath.Join(m.dir, largeName)
	reader := exec.Command("cat", path)
	var out, stderr bytes.Buffer
	reader.Stdout, reader.Stderr = &out, &stderr
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	shell(t, `head -c 100000 "$1" >/dev/null`, path)
	src.Set(origintest.File{Name: largeName, Body: body("b"), ETag: `"b"`})
	close(cut)
	err := reader.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || bytes.Contains(out.Bytes(), []byte("b")) {
		t.Errorf("whoever read it gets %v, %d bytes, %s", err, out.Len(), &stderr)
	}
	if got := child(t, "cat", path); got != string(body("b")) {
		t.Errorf("the next reads %d bytes, %.10q", len(got), got)
	}
	m.signal(os.Interrupt) // it has logged trouble
	if status := m.wait(); status != 0 {
		t.Errorf("mount exits with %d:\n%s", status, m.stderr)
	}
	finish(t, exitOK, "verify", "--store", m.store)
}

package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// shaOf is the SHA-256 of all made-up files, one after the other, as `sha256sum` of
// standard input prints it.
func shaOf(src *serve.Synthetic) string {
	sum := sha256.New()
	for i := range src.Len() {
		sum.Write(src.Body(i))
	}
	return fmt.Sprintf("%x  -\n", sum.Sum(nil))
}

// readAll reads a mount by that many programs at a time, each of them everything.
func readAll(t *testing.T, programs int, dir, want string) {
	t.Helper()
	var readers []*process.Process
	for range programs {
		readers = append(readers, process.Start(t, process.Command("sh", "-c", `cd "$1" && find . -type f | sort | xargs cat | sha256sum`, "sh", dir)))
	}
	for _, r := range readers {
		if status := r.Wait(); status != 0 || r.Stdout.String() != want {
			t.Errorf("a reader ends with %d: %s", status, r)
		}
	}
}

// TestFewDescriptors mirrors, and mounts for eight readers, with few descriptors.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	need(t, "prlimit")
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 4000, LargeEvery: 40, LargeSize: 100_000})
	s := serveTest(t, serve.Options{PageSize: 500}, src)
	want := shaOf(src)
	for _, limit := range []int{64, 256, 1024} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			nofile := fmt.Sprintf("--nofile=%d:%d", limit, limit)
			m := startMount(t, s.URL())
			m.stop()
			p := process.Start(t, under(motefs(t, "mirror", "--store", m.store, s.URL()), "prlimit", nofile))
			if status := p.Wait(); status != exitOK || !strings.Contains(p.Stdout.String(), "4,000 fetched") {
				t.Errorf("status %d: %s", status, p)
			}
			if n := strings.Count(p.Stderr.String(), "few files may be open"); n != 0 != (limit < enoughDescriptors) || n > 1 {
				t.Errorf("it says %d times that there are few descriptors: %s", n, p.Stderr)
			}
			m = m.start(under(motefs(t, "mount", "--store", m.store, s.URL(), m.dir), "prlimit", nofile))
			readAll(t, 8, m.dir, want)
			m.Signal(os.Interrupt)
			if status := m.Wait(); status != exitOK || len(mountsBelow(m.dir)) > 0 {
				t.Errorf("status %d: %s", status, m)
			}
			finish(t, exitOK, "verify", "--store", m.store)
		})
	}
}

// TestSoftLimitOfDescriptors starts with a low soft limit, which is raised.
func TestSoftLimitOfDescriptors(t *testing.T) {
	need(t, "prlimit")
	s := serveTest(t, serve.Options{}, synthetic(10))
	p := process.Start(t, under(motefs(t, "mirror", "--store", filepath.Join(t.TempDir(), "store"), s.URL()), "prlimit", "--nofile=64:4096"))
	if status := p.Wait(); status != exitOK || strings.Contains(p.Stderr.String(), "few files may be open") {
		t.Errorf("status %d: %s", status, p)
	}
}

// TestDescriptorsRunOut takes away all descriptors from a mount that mirrors, for a
// while in which programs read it, and gives them back.
func TestDescriptorsRunOut(t *testing.T) {
	t.Parallel()
	need(t, "prlimit")
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 6000, LargeEvery: 40, LargeSize: 100_000})
	s := serveTest(t, serve.Options{PageSize: 500, ListLatency: 100 * time.Millisecond}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	eventually.True(t, "1,000 gets", func() bool { return s.Counts().Gets > 1000 })
	limit := func(n int) {
		process.MustRun(t, "prlimit", "--pid", fmt.Sprint(m.Pid()), fmt.Sprintf("--nofile=%d:", n))
	}
	limit(1)
	s.CutConns() // so that it has to dial
	for i := range int64(10) {
		if out, err := process.Run(t, "cat", filepath.Join(m.dir, src.Name(i))); err == nil && out != string(src.Body(i)) {
			t.Errorf("file %d reads %q", i, out)
		}
	}
	limit(1024)
	m.Logs("the mirror is complete: 6,000 listed, 6,000 fetched")
	readAll(t, 2, m.dir, shaOf(src))
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != exitOK || len(mountsBelow(m.dir)) > 0 {
		t.Errorf("status %d: %s", status, m)
	}
	finish(t, exitOK, "verify", "--store", m.store)
}

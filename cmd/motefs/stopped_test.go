package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// stoppedFor is longer than the outages that these tests allow.
const stoppedFor = 4 * time.Second

// stopped has a process stand still, while the origin closes all its connections.
func stopped(p *process.Process, cut func()) {
	p.Signal(syscall.SIGSTOP)
	cut()
	time.Sleep(stoppedFor) // what it has to outlive
	p.Signal(syscall.SIGCONT)
}

// TestStoppedMirror stops a mirror for longer than --outage. That is no outage, no
// file fails, and nothing waits for connections that died meanwhile.
func TestStoppedMirror(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 30_000})
	for _, latency := range []time.Duration{0, 5 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			s := serveTest(t, serve.Options{PageSize: 500, ListLatency: 20 * time.Millisecond, GetLatency: latency}, src)
			store := filepath.Join(t.TempDir(), "store")
			p := start(t, "mirror", "--outage", "2s", "--store", store, s.URL())
			eventually.True(t, "2,000 gets", func() bool { return s.Counts().Gets >= 2000 })
			stopped(p, s.CutConns)
			if status := p.Wait(); status != exitOK || !strings.Contains(p.Stdout.String(), "30,000 fetched") {
				t.Errorf("status %d: %s", status, p)
			}
			for _, trouble := range []string{" WRN ", " ERR ", "failed"} {
				if strings.Contains(strings.ReplaceAll(p.Stderr.String(), "failed=0", ""), trouble) {
					t.Errorf("it logs %q: %s", trouble, p.Stderr)
				}
			}
			finish(t, exitOK, "verify", "--store", store)
		})
	}
}

// TestStoppedMount stops a mount under its readers, who wait, and then read on.
func TestStoppedMount(t *testing.T) {
	const files = 3000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files})
	s := serveTest(t, serve.Options{PageSize: 500, GetLatency: 2 * time.Millisecond}, src)
	m := startMount(t, s.URL(), "--prefetch-all", "--outage", "2s")
	eventually.True(t, "all is listed", func() bool {
		return shell(t, `ls "$1" | wc -l`, m.dir) == fmt.Sprintln(files)
	})
	var readers []*process.Process
	for range 4 {
		r := process.Start(t, process.Command("sh", "-c", `cd "$1"; echo begins; ls | xargs cat | sha256sum`, "sh", m.dir))
		r.Says("begins")
		readers = append(readers, r)
	}
	stopped(m.Process, s.CutConns)
	for _, r := range readers {
		if status := r.Wait(); status != 0 || !strings.Contains(r.Stdout.String(), shaOf(src)) {
			t.Errorf("a reader ends with %d: %s", status, r)
		}
	}
	m.Logs("the mirror is complete: 3,000 listed, 3,000 fetched")
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store)
}

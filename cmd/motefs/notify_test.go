package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// manager is a service manager that a command tells how it does.
type manager struct {
	t     *testing.T
	conn  *net.UnixConn
	env   []string
	words []string // all that came
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t: t, conn: conn, env: []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=200000"}}
}

// until waits for a word, whatever else comes meanwhile.
func (m *manager) until(word string) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(eventually.Deadline)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("waited in vain for %q; there came %q", word, m.words)
		}
		m.words = append(m.words, string(buf[:n]))
		if strings.Contains(string(buf[:n]), word) {
			return
		}
	}
}

// TestNotifyOfAMount is told when a mount serves, how it does, that it is alive even
// while its origin hangs, and when it is about to end.
func TestNotifyOfAMount(t *testing.T) {
	t.Parallel()
	src := synthetic(1000)
	s := serveTest(t, serve.Options{}, src)
	for _, daemon := range []bool{false, true} {
		manager := newManager(t)
		b := newBackground(t)
		args := []string{"mount", "--foreground", "--prefetch-all", "--store", b.store, s.URL(), b.dir}
		if daemon {
			args = b.args("--prefetch-all", s.URL(), b.dir)
		}
		cmd := motefs(t, args...)
		cmd.Env = append(cmd.Env, manager.env...)
		p := process.Start(t, cmd)
		manager.until("READY=1\nSTATUS=serving " + s.URL())
		if len(mountsBelow(b.dir)) != 1 {
			t.Error("it is ready, and not mounted")
		}
		before := strings.Join(manager.words, "\n")
		for _, stage := range []string{"STATUS=opening the store", "STATUS=asking " + s.URL(), "STATUS=mounting on"} {
			if !strings.Contains(before, stage) {
				t.Errorf("before it was ready there was no %q: %q", stage, before)
			}
		}
		manager.until("STATUS=1,000 listed, 1,000 fetched")
		heal := hang(s)
		for range 3 {
			manager.until("WATCHDOG=1")
		}
		heal()
		finish(t, exitOK, "unmount", b.dir)
		manager.until("STOPPING=1")
		if status := p.Wait(); status != exitOK {
			t.Errorf("status %d: %s", status, p)
		}
		b.gone()
	}
}

// TestNotifyOfAMirror is told the same of a mirror.
func TestNotifyOfAMirror(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(1000))
	hung := make(chan struct{}, 10_000)
	s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault {
		hung <- struct{}{}
		return origintest.Fault{Mode: origintest.Hang}
	}})
	manager := newManager(t)
	store := filepath.Join(t.TempDir(), "store")
	cmd := motefs(t, "mirror", "--store", store, s.URL())
	cmd.Env = append(cmd.Env, manager.env...)
	p := process.Start(t, cmd)
	manager.until("READY=1\nSTATUS=mirroring " + s.URL())
	<-hung
	for range 3 {
		manager.until("WATCHDOG=1")
	}
	p.Signal(os.Interrupt)
	manager.until("STOPPING=1")
	if status := p.Wait(); status != exitInterrupted {
		t.Errorf("status %d: %s", status, p)
	}
}

package notify

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// listen is a service manager; the environment names it.
func listen(t *testing.T, watchdog string) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", watchdog)
	return c
}

func next(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestWords(t *testing.T) {
	c := listen(t, "")
	m := Open(zerolog.Nop())
	m.Ready("serving\nMAINPID=1")
	if got := next(t, c); got != "READY=1\nSTATUS=serving MAINPID=1" {
		t.Errorf("%q", got)
	}
	m.Status(strings.Repeat("é", maxStatus))
	if got := next(t, c); got != "STATUS="+strings.Repeat("é", maxStatus/2) {
		t.Errorf("%q", got)
	}
	m.Stopping("soon")
	if got := next(t, c); got != "STOPPING=1\nSTATUS=soon" {
		t.Errorf("%q", got)
	}
}

// The status is told where it has changed, and the watchdog kicked for as long as the
// process is alive.
func TestStart(t *testing.T) {
	c := listen(t, "20000")
	var log bytes.Buffer
	m := Open(zerolog.New(&log))
	m.statusAt = time.Millisecond
	var dead atomic.Bool
	asked := make(chan struct{}, 1000)
	var status atomic.Pointer[string]
	status.Store(new("one"))
	stop := m.Start(func() string { return *status.Load() }, func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("alive may take for ever")
		}
		if dead.Load() {
			asked <- struct{}{}
			return errors.New("stuck")
		}
		return nil
	})
	seen := map[string]int{}
	for seen["WATCHDOG=1"] < 3 || seen["STATUS=one"] == 0 {
		seen[next(t, c)]++
	}
	status.Store(new("two"))
	for seen["STATUS=two"] == 0 {
		seen[next(t, c)]++
	}
	if seen["STATUS=one"] != 1 || seen["STATUS=two"] != 1 {
		t.Errorf("each status is told once: %v", seen)
	}
	dead.Store(true)
	for range 3 {
		<-asked
	}
	stop()
	// Of what was sent before nothing is left but kicks of before.
	m.Stopping("end")
	for words := next(t, c); words != "STOPPING=1\nSTATUS=end"; words = next(t, c) {
		if words != "WATCHDOG=1" {
			t.Errorf("%q", words)
		}
	}
	if !strings.Contains(log.String(), "stuck") {
		t.Errorf("the log says %q", log.String())
	}
}

// Without a service manager, and with one that is gone, all goes on.
func TestNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	m := Open(zerolog.Nop())
	m.Ready("x")
	m.Stopping("x")
	m.Start(nil, nil)()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	var log bytes.Buffer
	m = Open(zerolog.New(&log))
	m.Ready("x")
	m.Status("x")
	if strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log says %q", log.String())
	}
}

package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestDaemonLogsToTheSystem gives a mount namespace a system's log.
func TestDaemonLogsToTheSystem(t *testing.T) {
	t.Parallel()
	needRoot(t)
	if !isInside() {
		inNamespace(t, strings.Replace(bareDev, "/dev/urandom", "/dev/urandom /dev/fuse", 1), t.TempDir())
		return
	}
	syslog, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/dev/log", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer syslog.Close()
	src := synthetic(10)
	s := serveTest(t, serve.Options{}, src)
	s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Status: 403} }})
	b := newBackground(t)
	p := finish(t, exitOK, "mount", "--daemon", "--store", b.store, s.URL(), b.dir)
	if text := p.Stderr.String(); text != "" {
		t.Errorf("it says %q", text)
	}
	var log strings.Builder
	until := func(text string) {
		buf := make([]byte, 1<<16)
		for !strings.Contains(log.String(), text) {
			n, err := syslog.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			log.Write(append(buf[:n], '\n'))
		}
	}
	until("every name is listed")
	process.MustFail(t, "Input/output error", "cat", filepath.Join(b.dir, src.Name(7)))
	finish(t, exitOK, "unmount", b.dir)
	until("unmounted")
	// <30> is LOG_DAEMON|LOG_INFO, <28> LOG_WARNING: syslog(3).
	for _, want := range []string{"<30>", "motefs[", "serving " + s.URL(), "every name is listed"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the system's log has no %q:\n%s", want, log.String())
		}
	}
	if !strings.Contains(log.String(), "<28>") && !strings.Contains(log.String(), "<27>") {
		t.Errorf("no line of the system's log is a warning:\n%s", log.String())
	}
}

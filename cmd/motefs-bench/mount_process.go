package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// serving is what a mount that says when it can be used says.
const serving = "serving"

// mountProcess is a running filesystem.
type mountProcess struct {
	cmd        *exec.Cmd
	mountpoint string
	ready      time.Duration // from its start until it could be used
	said       *readiness
	ended      chan struct{}
}

// mountSpec is how a filesystem is started.
type mountSpec struct {
	argv       []string
	mountpoint string
	// silent filesystems do not say when they can be used: the kernel's table
	// does.
	silent bool
	// end is the signal that unmounts it.
	end syscall.Signal
}

// startMount starts a filesystem and waits until it can be used.
func startMount(ctx context.Context, s mountSpec) (*mountProcess, error) {
	if err := os.MkdirAll(s.mountpoint, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: s.end}
	m := &mountProcess{cmd: cmd, mountpoint: s.mountpoint, said: newReadiness(), ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = m.said, m.said
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which stop ends
		defer close(m.ended)
		_ = cmd.Wait() // how it ended matters less than what is still mounted
	}()
	err := m.waitReady(ctx, s.silent)
	m.ready = time.Since(start)
	if err != nil {
		return nil, errors.Join(explain(fmt.Errorf("start %s: %w", s.argv[0], err), m.said.String()), m.stop(s.end))
	}
	return m, nil
}

func (m *mountProcess) waitReady(ctx context.Context, silent bool) error {
	spoke := m.said.ready
	if silent {
		spoke = nil
	}
	for {
		if silent {
			if mounted, err := mountsBelow(m.mountpoint); err != nil || len(mounted) > 0 {
				return err
			}
		}
		select {
		case <-spoke:
			return nil
		case <-m.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop unmounts and waits for the process; what does not end by itself is made to.
func (m *mountProcess) stop(end syscall.Signal) error {
	_ = m.cmd.Process.Signal(end)
	select {
	case <-m.ended:
	case <-time.After(startPatience):
		_ = m.cmd.Process.Kill()
		<-m.ended
	}
	left, err := mountsBelow(m.mountpoint)
	if err != nil || len(left) == 0 {
		return err
	}
	if err := unix.Unmount(m.mountpoint, unix.MNT_DETACH); err == nil {
		return nil
	}
	if out, err := exec.Command("fusermount3", "-uz", m.mountpoint).CombinedOutput(); err != nil {
		return fmt.Errorf("unmount %s: %w: %s", m.mountpoint, err, lastLine(string(out)))
	}
	return nil
}

// mountsBelow lists the mountpoints that are dir or in it. It reads the kernel's
// table and so never waits for a filesystem.
func mountsBelow(dir string) ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if at := unescapeMount.Replace(fields[4]); at == dir || strings.HasPrefix(at, dir+"/") {
			found = append(found, at)
		}
	}
	return found, nil
}

// unescapeMount undoes the escapes of proc_pid_mountinfo(5).
var unescapeMount = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// readiness is a process's output, and the moment when it says "serving".
type readiness struct {
	ready chan struct{}
	mu    struct {
		sync.Mutex
		buf  tail
		said bool
	}
}

func newReadiness() *readiness { return &readiness{ready: make(chan struct{})} }

func (r *readiness) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.mu.buf.Write(p)
	if !r.mu.said && bytes.Contains(r.mu.buf.buf.Bytes(), []byte(serving)) {
		r.mu.said = true
		close(r.ready)
	}
	return n, err
}

func (r *readiness) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.buf.String()
}

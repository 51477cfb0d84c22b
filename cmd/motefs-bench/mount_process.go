package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cmd/internal/child"
)

// serving is what a mount that says when it can be used says.
const serving = "serving"

// mountProcess is a running filesystem.
type mountProcess struct {
	*child.Process
	mountpoint string
	ready      time.Duration // from its start until it could be used
}

// mountSpec is how a filesystem is started.
type mountSpec struct {
	argv       []string
	mountpoint string
	// silent filesystems do not say when they can be used: the kernel's table
	// does.
	silent bool
}

// startMount starts a filesystem and waits until it can be used.
func startMount(ctx context.Context, s mountSpec) (*mountProcess, error) {
	if err := os.MkdirAll(s.mountpoint, 0o755); err != nil {
		return nil, err
	}
	start := time.Now()
	p, err := child.Start("", s.argv...)
	if err != nil {
		return nil, err
	}
	err = p.Await(ctx, func() bool {
		if !s.silent {
			return strings.Contains(p.Output(), serving)
		}
		mounted, err := mountsBelow(s.mountpoint)
		return err == nil && len(mounted) > 0
	})
	m := &mountProcess{p, s.mountpoint, time.Since(start)}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", s.argv[0], err), m.unmount())
	}
	return m, nil
}

// unmount ends the process, and its mount where it is left.
func (m *mountProcess) unmount() error {
	m.Stop()
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

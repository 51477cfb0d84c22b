package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// measureArg makes this program measure one command and nothing else. Linux takes
// the memory of whoever starts a process for that process's own peak until it
// executes something, and so the starter has to be small.
const measureArg = "measure-one-command"

// usage is what a command took, as the measuring process says it.
type usage struct {
	Wall  time.Duration
	CPU   time.Duration
	Peak  int64 // bytes
	Error string
}

// measureMain runs a command and writes its usage to file descriptor 3.
func measureMain(argv []string) int {
	out := os.NewFile(3, "usage")
	if out == nil || len(argv) == 0 {
		return 1
	}
	syscall.CloseOnExec(3)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	start := time.Now()
	err := cmd.Run()
	u := usage{Wall: time.Since(start)}
	if err != nil {
		u.Error = err.Error()
	}
	if state := cmd.ProcessState; state != nil {
		u.CPU = state.UserTime() + state.SystemTime()
		u.Peak = state.SysUsage().(*syscall.Rusage).Maxrss * 1024
	}
	if json.NewEncoder(out).Encode(u) != nil {
		return 1
	}
	return 0
}

// measure runs a command with all that it starts in a process group of its own,
// which is killed when ctx ends, and returns what it took and what it printed.
func measure(ctx context.Context, dir string, argv []string) (usage, string, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return usage{}, "", err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, self, append([]string{measureArg}, argv...)...)
	cmd.Dir, cmd.Env = dir, environment()
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	printed := &tail{}
	cmd.Stdout, cmd.Stderr = printed, printed
	err = cmd.Run()
	w.Close()
	var u usage
	if ctxErr := context.Cause(ctx); ctxErr != nil {
		return u, printed.String(), ctxErr
	}
	if err != nil {
		return u, printed.String(), fmt.Errorf("measure %s: %w", argv[0], err)
	}
	if err := json.NewDecoder(r).Decode(&u); err != nil {
		return u, printed.String(), fmt.Errorf("measure %s: %w", argv[0], err)
	}
	if u.Error != "" {
		return u, printed.String(), errors.New(u.Error)
	}
	return u, printed.String(), nil
}

// environment is this process's without proxies: the origins are on this machine.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, e)
		}
	}
	return env
}

// tailBytes bounds what is kept of a command's output.
const tailBytes = 64 << 10

// tail keeps the end of what is written to it.
type tail struct{ buf bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.buf.Write(p)
	if over := t.buf.Len() - tailBytes; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string { return t.buf.String() }

// lastLine is the last line of a text that says something.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

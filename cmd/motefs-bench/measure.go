package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/motefs/motefs/cmd/internal/child"
)

// measureArg makes this program measure one command and nothing else. Linux takes
// the memory of whoever starts a process for that process's own peak until it
// executes something, and so the starter has to be small.
const measureArg = "measure-one-command"

// usage is what a command took, as the measuring process says it.
type usage struct {
	Wall time.Duration
	CPU  time.Duration
	Peak int64 // bytes
}

// measureMain runs a command and, where it ended well, prints its usage after a
// NUL and all that the command printed.
func measureMain(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	u := usage{Wall: time.Since(start), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	u.Peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * 1024
	fmt.Print("\x00")
	return json.NewEncoder(os.Stdout).Encode(u)
}

// measure runs a command, kills it with all that it started when ctx ends, and
// returns what it took and what it printed.
func measure(ctx context.Context, dir string, argv []string) (u usage, printed string, err error) {
	self, err := os.Executable()
	if err != nil {
		return u, "", err
	}
	p, err := child.Start(dir, append([]string{self, measureArg}, argv...)...)
	if err != nil {
		return u, "", err
	}
	if err := p.Wait(ctx); err != nil {
		return u, "", err
	}
	text := p.Output()
	end := strings.LastIndexByte(text, 0)
	return u, text[:max(end, 0)], json.Unmarshal([]byte(text[end+1:]), &u)
}

// lastLine is the last line of a text that says something.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// MeasureArg as its first argument has a program call Measuring with the others.
const MeasureArg = "measure-one-command"

// Usage is what a program took: its own time and that of the children that it
// waited for, and the most memory of any of them, in bytes.
type Usage struct {
	Wall time.Duration
	CPU  time.Duration
	Peak int64
}

// Measure runs a program until it ends, or kills it with all that it started at the
// end of ctx. It returns what the program took and the end of what it printed.
func Measure(ctx context.Context, dir string, argv ...string) (u Usage, printed string, err error) {
	self, err := os.Executable()
	if err != nil {
		return u, "", err
	}
	p, err := Start(dir, append([]string{self, MeasureArg}, argv...)...)
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

// Measuring is the other half of Measure, in a process of its own. It runs the
// program and, where that ended well, prints its usage after a NUL and all that it
// printed. It returns the exit code.
func Measuring(argv []string) int {
	u, status, err := measure(argv)
	if err == nil && status == 0 {
		fmt.Print("\x00")
		err = json.NewEncoder(os.Stdout).Encode(u)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
	case status.Signaled():
		fmt.Fprintln(os.Stderr, status.Signal())
	default:
		return status.ExitStatus()
	}
	return 1
}

// measure runs a program. What a process has in memory when it starts another one
// counts as the peak of that one (exec_mmap in Linux's fs/exec.c), and this program
// may be larger than what it measures. So a shell starts it and ends, and this
// process, which inherits it, hears what it alone has taken.
func measure(argv []string) (u Usage, status unix.WaitStatus, err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return u, 0, err
	}
	shell := exec.Command("sh", append([]string{"-c", `"$@" &`, "sh"}, argv...)...)
	shell.Stdout, shell.Stderr = os.Stdout, os.Stderr
	start := time.Now()
	var r unix.Rusage
	runErr := shell.Run()
	_, err = unix.Wait4(-1, &status, 0, &r)
	u = Usage{Wall: time.Since(start), CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Peak: r.Maxrss * 1024}
	return u, status, errors.Join(runErr, err)
}

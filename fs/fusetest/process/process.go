// Package process runs other processes for tests. None outlives its test, or the
// test program, and whoever waits for one gives up at eventually.Deadline.
package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

// stragglers is how long the output of a process is waited for once it has
// ended: its own children may still have it.
const stragglers = 10 * time.Second

// Process is a running process.
type Process struct {
	Cmd            *exec.Cmd
	Stdin          io.WriteCloser
	Stdout, Stderr *Output

	tb     testing.TB
	exited chan struct{}
}

// Command is exec.Command with an end: the kernel kills the process together
// with this one.
func Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Self is the test program itself in another part: its TestMain sees variable=part
// in the environment. Built with the race detector it would else take a second to
// end.
func Self(tb testing.TB, variable, part string, args ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := Command(self, args...)
	cmd.Env = append(os.Environ(), variable+"="+part, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// Plant is the variable by which Bites says which fault to plant.
const Plant = "MOTEFS_TEST_PLANT"

// Bites runs the test program's TestPlanted by itself, which plants the fault and then
// does nothing but what every test does. It has to turn red and say all of want; where
// that is nothing, it has to stay green.
func Bites(tb testing.TB, fault string, want ...string) {
	tb.Helper()
	p := Start(tb, Self(tb, Plant, fault, "-test.v", "-test.run", "^TestPlanted$"))
	if status := p.Wait(); (status != 0) != (len(want) > 0) {
		tb.Errorf("with %q planted the status is %d: %s", fault, status, p)
	}
	said := p.Stdout.String() + p.Stderr.String()
	for _, text := range append(want, "=== RUN   TestPlanted") {
		if !strings.Contains(said, text) {
			tb.Errorf("with %q planted it does not say %q: %s", fault, text, p)
		}
	}
}

// Start starts cmd. A race that the detector finds in it fails the test.
func Start(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p := &Process{Cmd: cmd, Stdout: newOutput(), Stderr: newOutput(), tb: tb, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.Stdout, p.Stderr, stragglers
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	p.Stdin = stdin
	go func() {
		_ = cmd.Wait() // the status is in ProcessState
		close(p.exited)
	}()
	tb.Cleanup(func() {
		p.Kill()
		if strings.Contains(p.Stderr.String(), "DATA RACE") {
			tb.Errorf("data race in %s", p)
		}
	})
	return p
}

// String is the command with all that it has printed.
func (p *Process) String() string {
	return fmt.Sprintf("%q:\n%s%s", p.Cmd.Args, p.Stdout, p.Stderr)
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.Cmd.Process.Pid }

// until waits until ok holds, which it looks at after each piece of o.
func (p *Process) until(o *Output, what string, ok func() bool) {
	p.tb.Helper()
	deadline := time.NewTimer(eventually.Deadline)
	defer deadline.Stop()
	for exited := p.exited; ; {
		more := o.more()
		if ok() {
			return
		}
		select {
		case <-more:
		case <-exited:
			if !ok() {
				p.tb.Fatalf("ended without %s: %s", what, p)
			}
			return
		case <-deadline.C:
			p.tb.Fatalf("waited in vain for %s from %s", what, p)
		}
	}
}

// Says waits until the process has printed text on its standard output.
func (p *Process) Says(text string) {
	p.tb.Helper()
	p.until(p.Stdout, text, func() bool { return strings.Contains(p.Stdout.String(), text) })
}

// Logs waits until the process has printed text on its standard error.
func (p *Process) Logs(text string) {
	p.tb.Helper()
	p.until(p.Stderr, text, func() bool { return strings.Contains(p.Stderr.String(), text) })
}

// Line is the next line that the process prints.
func (p *Process) Line() (line string) {
	p.tb.Helper()
	p.until(p.Stdout, "a line", func() (ok bool) { line, ok = p.Stdout.line(); return ok })
	return line
}

// Eval runs a command line in a process that is a shell, and returns what that
// prints.
func (p *Process) Eval(line string) string {
	p.tb.Helper()
	const end = "end of what the shell prints"
	if _, err := fmt.Fprintf(p.Stdin, "exec 2>&1\n%s\necho; echo %s\n", line, end); err != nil {
		p.tb.Fatal(err)
	}
	var text strings.Builder
	for line := p.Line(); line != end; line = p.Line() {
		text.WriteString(line + "\n")
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// Signal sends a signal.
func (p *Process) Signal(sig os.Signal) {
	p.tb.Helper()
	if err := p.Cmd.Process.Signal(sig); err != nil {
		p.tb.Fatal(err)
	}
}

// Wait returns the exit status.
func (p *Process) Wait() int {
	p.tb.Helper()
	select {
	case <-p.exited:
	case <-time.After(eventually.Deadline):
		p.Signal(syscall.SIGQUIT) // a Go program then says where its goroutines are
		<-p.exited
		p.tb.Fatalf("does not end: %s", p)
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Kill ends the process, unless it has ended.
func (p *Process) Kill() {
	_ = p.Stdin.Close()
	_ = p.Cmd.Process.Kill()
	<-p.exited
}

// Run runs a program to its end and returns what it printed, errors included.
// What comes from the C library is in English.
func Run(tb testing.TB, name string, args ...string) (string, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), eventually.Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.WaitDelay = append(os.Environ(), "LC_ALL=C"), stragglers
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		tb.Errorf("%s %q hangs", name, args)
	}
	return string(out), err
}

// MustRun is Run of a program that must succeed.
func MustRun(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := Run(tb, name, args...)
	if err != nil {
		tb.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// SmallDisk mounts a disk in memory, of so many MiB, for as long as the test runs, and returns where.
// It skips a test that may not mount.
func SmallDisk(tb testing.TB, mib int) (dir string) {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("only root can mount a disk")
	}
	dir = tb.TempDir()
	MustRun(tb, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("mode=700,size=%dm", mib), "tmpfs", dir)
	tb.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// MustFail is Run of a program that must fail and say want.
func MustFail(tb testing.TB, want, name string, args ...string) {
	tb.Helper()
	if out, err := Run(tb, name, args...); err == nil || !strings.Contains(out, want) {
		tb.Errorf("%s %q: %v: %q; want %q", name, args, err, out, want)
	}
}

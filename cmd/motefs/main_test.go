package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// binary is the program under test, built once; with the race detector where the
// tests have it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

// givenBinary names the program under test where it is built already, for a test
// that runs the tests again in other surroundings.
const givenBinary = "MOTEFS_TEST_BINARY"

func testMain(m *testing.M) int {
	if binary = os.Getenv(givenBinary); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "motefs-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "motefs")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	// Every temporary directory of these tests is below dir, so that mounts of
	// the other packages, whose tests run at the same time, are not taken for
	// theirs. Some programs in the tests are other users'.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Setenv("TMPDIR", dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if left := mountsBelow(dir); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "mounts left behind: %q\n", left)
		code = 1
	}
	return code
}

// mountsBelow returns the mountpoints that begin with one of the prefixes.
func mountsBelow(prefixes ...string) []string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		for _, p := range prefixes {
			if len(f) > 1 && strings.HasPrefix(f[1], p) {
				found = append(found, f[1])
			}
		}
	}
	return found
}

// needFUSE fails a test on a machine without FUSE, unless that is allowed.
func needFUSE(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		if os.Getenv("MOTEFS_TEST_NO_FUSE") != "" {
			t.Skip("MOTEFS_TEST_NO_FUSE is set, and there is no /dev/fuse")
		}
		t.Fatal("there is no /dev/fuse; set MOTEFS_TEST_NO_FUSE=1 to go without")
	}
}

// patience is how long a test waits for what should come at once. It is not a
// measurement: a test that runs into it has failed.
const patience = 60 * time.Second

// output gathers what a process prints, and can be waited for.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a running motefs.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *output
	exited         chan struct{}
}

func motefs(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0 halt_on_error=1", "XDG_CACHE_HOME="+filepath.Join(t.TempDir(), "cache"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startCommand(t, motefs(t, args...))
}

// startCommand starts what motefs returned, perhaps changed.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, stdout: newOutput(), stderr: newOutput(), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the status is in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		select {
		case <-p.exited:
		default:
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			t.Errorf("data race in motefs %q:\n%s", cmd.Args[1:], p.stderr)
		}
	})
	return p
}

// waitFor waits until the process has printed text on its standard output.
func (p *process) waitFor(text string) {
	p.t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(p.stdout.String(), text) {
		select {
		case <-p.stdout.more:
		case <-p.exited:
			if !strings.Contains(p.stdout.String(), text) {
				p.t.Fatalf("motefs %q ended without saying %q:\n%s%s", p.cmd.Args[1:], text, p.stdout, p.stderr)
			}
		case <-deadline:
			p.t.Fatalf("motefs %q does not say %q:\n%s%s", p.cmd.Args[1:], text, p.stdout, p.stderr)
		}
	}
}

// waitLog waits until the process has logged text.
func (p *process) waitLog(text string) {
	p.t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(p.stderr.String(), text) {
		select {
		case <-p.stderr.more:
		case <-deadline:
			p.t.Fatalf("motefs %q does not log %q:\n%s%s", p.cmd.Args[1:], text, p.stdout, p.stderr)
		}
	}
}

func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // it then says where its goroutines are
		<-p.exited
		p.t.Fatalf("motefs %q does not end:\n%s%s", p.cmd.Args[1:], p.stdout, p.stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// finish runs a command to its end and checks its exit status.
func finish(t *testing.T, want int, args ...string) *process {
	t.Helper()
	p := start(t, args...)
	if got := p.wait(); got != want {
		t.Errorf("motefs %q exits with %d, want %d:\n%s%s", args, got, want, p.stdout, p.stderr)
	}
	return p
}

// mounted is a process with a mount.
type mountedProcess struct {
	*process
	dir, store string
}

func startMount(t *testing.T, url string, args ...string) *mountedProcess {
	t.Helper()
	needFUSE(t)
	m := &mountedProcess{dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	m.process = start(t, append(append([]string{"mount", "--store", m.store}, args...), url, m.dir)...)
	t.Cleanup(func() {
		// Whatever became of the process, nothing may be left mounted.
		for range mountsBelow(m.dir) {
			_ = exec.Command("umount", "-l", m.dir).Run()
		}
	})
	m.waitFor("serving")
	return m
}

// stop unmounts as Ctrl-C does, and checks that nothing is left.
func (m *mountedProcess) stop() {
	m.t.Helper()
	m.signal(os.Interrupt)
	m.ended()
}

func (m *mountedProcess) ended() {
	m.t.Helper()
	if status := m.wait(); status != 0 {
		m.t.Errorf("mount exits with %d:\n%s%s", status, m.stdout, m.stderr)
	}
	if left := mountsBelow(m.dir); len(left) > 0 {
		m.t.Errorf("still mounted: %q", left)
	}
	if text := m.stderr.String(); strings.Contains(text, " ERR ") || strings.Contains(text, " WRN ") {
		m.t.Errorf("the mount logged trouble:\n%s", text)
	}
}

// child runs a program in a process of its own and returns what it printed.
func child(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// shell runs a script with args as $1, $2, …
func shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	return child(t, "sh", append([]string{"-ec", script, "sh"}, args...)...)
}

// serveTest opens an origin in this process, which never reads a mount.
func serveTest(t *testing.T, o serve.Options, src serve.Source) *origintest.Server {
	t.Helper()
	s, err := origintest.Open(o, src)
	if err != nil {
		t.Fatal(err)
	}
	s.CountNames()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func synthetic(n int64) *serve.Synthetic {
	return serve.NewSynthetic(serve.SyntheticOptions{Files: n})
}

func lines(s string) []string {
	var all []string
	scan := bufio.NewScanner(strings.NewReader(s))
	for scan.Scan() {
		all = append(all, scan.Text())
	}
	return all
}

var _ io.Writer = (*output)(nil)

package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// binary is the program under test, built once; with the race detector where the
// tests have it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

// raceVariable has the options of the race detector.
const raceVariable = "GORACE"

const (
	// givenBinary names the program under test where it is built already.
	givenBinary = "MOTEFS_TEST_BINARY"
	// insideVariable is set for a test that inNamespace runs once more.
	insideVariable = "MOTEFS_TEST_INSIDE"
)

// sideBySide is how many tests may run at the same time, of those that share nothing. A
// mount with the race detector was seen to take 360 MiB.
const sideBySide = 4

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "motefs-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary = os.Getenv(givenBinary); binary == "" {
		binary = filepath.Join(dir, "motefs")
		if err := build(binary); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	// Every temporary directory of these tests is below dir, so that mounts of
	// the other packages, whose tests run at the same time, are not taken for
	// theirs. Some programs in the tests are other users'.
	// The configuration of who runs the tests is none of theirs. A program with the race
	// detector would else sleep for a second before it ends.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Setenv("TMPDIR", dir), os.Setenv("MOTEFS_CONFIG", os.DevNull),
		os.Setenv(raceVariable, "atexit_sleep_ms=0 halt_on_error=1")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// They wait for other programs more than they compute. A -parallel that is given is
	// read later.
	if err := flag.Set("test.parallel", strconv.Itoa(max(sideBySide, runtime.GOMAXPROCS(0)))); err != nil {
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

// build builds the program under test.
func build(path string) error {
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// mountsBelow returns what is mounted in a directory.
func mountsBelow(dir string) []string {
	found, err := fusetest.Below(dir)
	if err != nil {
		return []string{err.Error()}
	}
	return found
}

func motefs(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := process.Command(binary, args...)
	cmd.Env = append(environ(), "XDG_CACHE_HOME="+filepath.Join(t.TempDir(), "cache"))
	return cmd
}

// environ is the environment without what it says of S3, which is for other programs.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") })
}

func start(t *testing.T, args ...string) *process.Process {
	t.Helper()
	return process.Start(t, motefs(t, args...))
}

// finish runs a command to its end and checks its exit status.
func finish(t *testing.T, want int, args ...string) *process.Process {
	t.Helper()
	p := start(t, args...)
	if got := p.Wait(); got != want {
		t.Errorf("motefs %q exits with %d, want %d:\n%s%s", args, got, want, p.Stdout, p.Stderr)
	}
	return p
}

// mountedProcess is a process with a mount.
type mountedProcess struct {
	*process.Process
	t          *testing.T
	dir, store string
}

func startMount(t *testing.T, url string, args ...string) *mountedProcess {
	t.Helper()
	fusetest.Need(t)
	m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	t.Cleanup(m.clear)
	return m.again(url, args...)
}

// again mounts the same store on the same mountpoint once more.
func (m *mountedProcess) again(url string, args ...string) *mountedProcess {
	m.t.Helper()
	return m.start(motefs(m.t, append(append([]string{"mount", "--store", m.store}, args...), url, m.dir)...))
}

// start starts a command that mounts.
func (m *mountedProcess) start(cmd *exec.Cmd) *mountedProcess {
	m.t.Helper()
	started := *m
	started.Process = process.Start(m.t, cmd)
	started.Says("serving")
	return &started
}

// clear unmounts what a process left behind, whatever became of it.
func (m *mountedProcess) clear() {
	for range mountsBelow(m.dir) {
		_ = exec.Command("umount", "-l", m.dir).Run()
	}
}

// stop unmounts as Ctrl-C does, and checks that nothing is left.
func (m *mountedProcess) stop() {
	m.t.Helper()
	m.Signal(os.Interrupt)
	m.ended()
}

func (m *mountedProcess) ended() {
	m.t.Helper()
	if status := m.Wait(); status != 0 {
		m.t.Errorf("mount exits with %d:\n%s%s", status, m.Stdout, m.Stderr)
	}
	if left := mountsBelow(m.dir); len(left) > 0 {
		m.t.Errorf("still mounted: %q", left)
	}
	if text := m.Stderr.String(); strings.Contains(text, " ERR ") || strings.Contains(text, " WRN ") {
		m.t.Errorf("the mount logged trouble:\n%s", text)
	}
}

// shell runs a script with args as $1, $2, …
func shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	return process.MustRun(t, "sh", append([]string{"-ec", script, "sh"}, args...)...)
}

// serveTest opens an origin in this process, which never reads a mount.
func serveTest(t *testing.T, o serve.Options, src serve.Source) *origintest.Server {
	t.Helper()
	s := origintest.New(t, o, src)
	s.CountNames()
	return s
}

// shortOutage has failed files be asked for three times instead of five: that takes 6 seconds, and not 36.
const shortOutage = "5s"

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

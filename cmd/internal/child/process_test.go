package child

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == MeasureArg {
		os.Exit(Measuring(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestMeasure(t *testing.T) {
	u, printed, err := Measure(t.Context(), t.TempDir(), "sh", "-c", "echo said")
	if err != nil || printed != "said\n" || u.Wall <= 0 || u.Peak <= 0 {
		t.Errorf("Measure = %+v, %q, %v", u, printed, err)
	}
	if u, _, err := Measure(t.Context(), t.TempDir(), "true"); err != nil || u.Peak > 4<<20 {
		t.Errorf("true takes %d bytes, which are the measurer's, %v", u.Peak, err)
	}
	for script, want := range map[string]string{
		"echo why >&2; exit 3": "exit status 3: why",
		"kill -9 $$":           "exit status 1: killed",
	} {
		if _, _, err := Measure(t.Context(), t.TempDir(), "sh", "-c", script); err == nil || err.Error() != want {
			t.Errorf("%q: %v, not %s", script, err, want)
		}
	}
}

var errLate = errors.New("too late")

// TestMeasureEndsInTime checks that a program is killed with its children.
func TestMeasureEndsInTime(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pid")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for ctx.Err() == nil {
			if text, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(text), "\n") {
				cancel(errLate)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, _, err := Measure(ctx, dir, "sh", "-c", "sleep 600 & echo $! > pid; wait"); !errors.Is(err, errLate) {
		t.Errorf("Measure = %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if state, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); strings.Contains(string(state), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the child is still there")
		}
	}
}

func TestAwait(t *testing.T) {
	p, err := Start("", "sh", "-c", "echo no device >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Await(t.Context(), func() bool { return false }); err == nil || err.Error() != "it ended (exit status 3): no device" {
		t.Errorf("one that ends: %v", err)
	}
	p, err = Start("", "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errLate)
	defer cancel()
	if err := p.Await(ctx, func() bool { return false }); !errors.Is(err, errLate) {
		t.Errorf("one that hangs: %v", err)
	}
	p.Stop()
	p.Stop() // again does no harm
}

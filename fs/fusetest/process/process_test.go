package process

import (
	"os"
	"syscall"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

func TestProcess(t *testing.T) {
	p := Start(t, Command("sh", "-c", `echo one; echo half >&2; printf 'two\nthr'; read x; echo "ee $x"; trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done`))
	p.Says("two\nthr")
	p.Logs("half")
	for _, want := range []string{"one", "two"} {
		if got := p.Line(); got != want {
			t.Errorf("a line %q, want %q", got, want)
		}
	}
	if _, err := p.Stdin.Write([]byte("x\n")); err != nil {
		t.Fatal(err)
	}
	if got := p.Line(); got != "three x" {
		t.Errorf("a line %q", got)
	}
	p.Says("ready")
	p.Signal(os.Interrupt)
	if status := p.Wait(); status != 3 {
		t.Errorf("status %d", status)
	}
	p.Kill()
}

func TestShell(t *testing.T) {
	p := Start(t, Command("sh"))
	for line, want := range map[string]string{"echo a; echo b": "a\nb\n", "printf x": "x", ":": "", "echo to stderr >&2": "to stderr\n"} {
		if got := p.Eval(line); got != want {
			t.Errorf("%s prints %q, want %q", line, got, want)
		}
	}
	p.Kill()
	if err := syscall.Kill(p.Pid(), 0); err == nil {
		t.Error("it is still there")
	}
}

func TestRun(t *testing.T) {
	if got := MustRun(t, "sh", "-c", "echo out; echo err >&2"); got != "out\nerr\n" {
		t.Errorf("%q", got)
	}
	MustFail(t, "No such file or directory", "cat", "/not/there")
}

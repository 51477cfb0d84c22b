package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// small is the flag that refuses what is long, which is final: nobody waits to ask again.
const small = "--max-file-size=500"

// withLong is an origin of that many files, of which the first are long until it is told
// otherwise.
func withLong(t *testing.T, files, long int64) (s *origintest.Server, first string) {
	t.Helper()
	src := synthetic(files)
	s = serveTest(t, serve.Options{}, src)
	isLong := map[string]bool{}
	for i := range long {
		isLong[src.Name(i)] = true
	}
	s.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if isLong[string(name)] {
			return origintest.Fault{Body: make([]byte, 1000)}
		}
		return origintest.Fault{}
	}})
	return s, src.Name(0)
}

// TestMirrorJSON: every line is an object, the last a summary; and an error is the last line on
// standard error.
func TestMirrorJSON(t *testing.T) {
	t.Parallel()
	s, first := withLong(t, 500, 12)
	store := filepath.Join(t.TempDir(), "store")
	p := finish(t, exitFailed, "mirror", small, "--json", "--store", store, s.URL())
	all := jsonObjects(t, p.Stdout.String())
	kinds := map[string]int{}
	for _, o := range all {
		kinds[o.MessageType]++
	}
	last := all[len(all)-1]
	if kinds["summary"] != 1 || kinds["error"] != failedShown || kinds["status"]+kinds["summary"]+kinds["error"] != len(all) || last.MessageType != "summary" {
		t.Errorf("the lines are %v: %s", kinds, p)
	}
	if last.State != status.Ended || last.Fetched != 488 || last.Failed != 12 || last.FailedByReason["too_large"] != 12 || *last.RunFiles != 488 || last.Next != "" {
		t.Errorf("the summary is %+v", last)
	}
	if !strings.Contains(p.Stdout.String(), first) {
		t.Errorf("%s is not told of: %s", first, p)
	}
	errs := lines(p.Stderr.String())
	if end := jsonObjects(t, errs[len(errs)-1])[0]; end.MessageType != "exit_error" || end.Code != exitFailed || !strings.Contains(end.Message, "12 of 500") {
		t.Errorf("the end is %+v", end)
	}
	s.SetFaults(origintest.Faults{})
	p = finish(t, exitOK, "mirror", small, "--json", "--store", store, s.URL())
	all = jsonObjects(t, p.Stdout.String())
	if last := all[len(all)-1]; last.State != status.Complete || last.Fetched != 500 || *last.RunFiles != 12 || !strings.HasPrefix(last.Next, "motefs mount ") {
		t.Errorf("in the end %+v", last)
	}
	if p.Stderr.String() != "" {
		t.Errorf("a mirror that is complete says %q", p.Stderr)
	}
	p = finish(t, exitOK, "mirror", small, "--refresh", "--json", "--store", store, s.URL())
	all = jsonObjects(t, p.Stdout.String())
	if last := all[len(all)-1]; last.State != status.Complete || last.Refresh == nil || last.Refresh.Listed != 500 {
		t.Errorf("after a refresh %+v", last)
	}
}

// TestRefreshWithFailures: what is new and does not come is a failure of a refresh as of a
// mirror.
func TestRefreshWithFailures(t *testing.T) {
	src := origintest.NewFiles(origintest.File{Name: "a", Body: []byte("a")})
	s := serveTest(t, serve.Options{}, src)
	store := filepath.Join(t.TempDir(), "store")
	finish(t, exitOK, "mirror", small, "--store", store, s.URL())
	src.Set(origintest.File{Name: "a", Body: []byte("a")}, origintest.File{Name: "long", Body: make([]byte, 1000)})
	p := finish(t, exitFailed, "mirror", small, "--refresh", "--store", store, s.URL())
	if text := p.Stdout.String() + p.Stderr.String(); !strings.Contains(text, "1 new") || !strings.Contains(text, `"long"`) {
		t.Error(p)
	}
}

// TestFilesWentMeanwhile: a store that has fewer files than before has fetched none, and not
// nearly all that a counter can hold.
func TestFilesWentMeanwhile(t *testing.T) {
	if got := summary(cache.Progress{Files: 5, Fetched: 5}, cache.Progress{Files: 9, Fetched: 9}, time.Second); got != "5 listed, 5 fetched (0 B)" {
		t.Errorf("it says %q", got)
	}
}

// TestRetryFailed asks again for what failed, and for nothing else.
func TestRetryFailed(t *testing.T) {
	t.Parallel()
	s, first := withLong(t, 500, 3)
	store := filepath.Join(t.TempDir(), "store")
	finish(t, exitFailed, "mirror", small, "--store", store, s.URL())
	listed := jsonObjects(t, finish(t, exitOK, "failures", "--json", "--store", store).Stdout.String())
	if len(listed) != 3 || listed[0].Name != first {
		t.Errorf("the failures are %+v", listed)
	}
	p := finish(t, exitFailed, "mirror", small, "--retry-failed", "--store", store, s.URL())
	if text := p.Stdout.String(); !strings.Contains(text, "of 3 files that had failed, 0 are fetched, 0 are gone, and 3 failed again") {
		t.Error(p)
	}
	s.SetFaults(origintest.Faults{})
	lists := s.Counts().Lists
	p = finish(t, exitOK, "mirror", small, "--retry-failed", "--store", store, s.URL())
	if text := p.Stdout.String(); !strings.Contains(text, "of 3 files that had failed, 3 are fetched") || s.Counts().Lists != lists {
		t.Errorf("%d pages: %s", s.Counts().Lists-lists, p)
	}
	if p = finish(t, exitOK, "failures", "--store", store); p.Stdout.String() != "" {
		t.Error(p)
	}
	finish(t, exitUsage, "mirror", small, "--retry-failed", "--refresh", "--store", store, s.URL())
}

// TestSummaryOfAMirror says all that one wants to know at the end.
func TestSummaryOfAMirror(t *testing.T) {
	t.Parallel()
	s, _ := withLong(t, 500, 2)
	store := filepath.Join(t.TempDir(), "store")
	p := finish(t, exitFailed, "mirror", small, "--store", store, s.URL())
	for _, want := range []string{"500 listed, 498 fetched", "2 failed", "failed: too_large: 2", "the store is " + store, "on the disk"} {
		if !strings.Contains(p.Stdout.String(), want) {
			t.Errorf("no %q: %s", want, p)
		}
	}
	if text := p.Stderr.String(); !strings.Contains(text, "motefs failures --store "+store) || !strings.Contains(text, "--retry-failed") {
		t.Error(text)
	}
	s.SetFaults(origintest.Faults{})
	p = finish(t, exitOK, "mirror", small, "--store", store, s.URL())
	if want := fmt.Sprintf("use it with: motefs mount --store %s %s MOUNTPOINT", store, s.URL()); !strings.Contains(p.Stdout.String(), want) {
		t.Errorf("no %q: %s", want, p)
	}
}

// TestUnmountCountsNoIdleTime: who has only read gets no rate, as most of the time nobody
// asked for anything.
func TestUnmountCountsNoIdleTime(t *testing.T) {
	src := synthetic(50)
	m := startMount(t, serveTest(t, serve.Options{}, src).URL())
	m.Logs("every name is listed")
	shell(t, `cat "$1/$2" >/dev/null`, m.dir, src.Name(7))
	m.stop()
	if text := m.Stdout.String(); !strings.Contains(text, "of them in the ") || strings.Contains(text, "files/s") {
		t.Error(text)
	}
}

// TestLogOfJSON: with --log-format json every line is JSON, on both outputs, from the start to
// an interrupt.
func TestLogOfJSON(t *testing.T) {
	t.Parallel()
	s, _ := withLong(t, 500, 2)
	p := finish(t, exitFailed, "mirror", small, "--log-format", "json", "--store", filepath.Join(t.TempDir(), "store"), s.URL())
	out, errs := jsonObjects(t, p.Stdout.String()), jsonObjects(t, p.Stderr.String())
	if len(out) < 3 || out[0].Level != "info" || !strings.HasPrefix(out[0].Message, "mirroring ") {
		t.Errorf("%s", p)
	}
	if end := errs[len(errs)-1]; end.Level != "error" || end.ExitStatus != exitFailed {
		t.Errorf("the end is %+v", end)
	}
	hang := serveTest(t, serve.Options{}, synthetic(500))
	hang.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Status: 500} }})
	p = start(t, "mirror", small, "--log-format", "json", "--store", filepath.Join(t.TempDir(), "store"), hang.URL())
	p.Logs("waiting until it is well")
	p.Signal(os.Interrupt)
	if status := p.Wait(); status != exitInterrupted {
		t.Errorf("status %d: %s", status, p)
	}
	jsonObjects(t, p.Stdout.String())
	errs = jsonObjects(t, p.Stderr.String())
	if end := errs[len(errs)-1]; end.Level != "info" || end.Message != "interrupted" || end.ExitStatus != exitInterrupted {
		t.Errorf("the end is %+v", end)
	}
}

// TestQuiet: what goes well is not talked about.
func TestQuiet(t *testing.T) {
	s := serveTest(t, serve.Options{}, synthetic(500))
	store := filepath.Join(t.TempDir(), "store")
	for _, args := range [][]string{{"mirror", "-q"}, {"mirror", "--quiet", "--refresh"}} {
		if p := finish(t, exitOK, append(args, "--store", store, s.URL())...); p.Stdout.String()+p.Stderr.String() != "" {
			t.Error(p)
		}
	}
	if p := finish(t, exitOK, "status", "-q", "--store", store); !strings.Contains(p.Stdout.String(), "500") {
		t.Errorf("what is asked for is told all the same: %s", p)
	}
}

// TestProgressModes: each shows progress where and how it says.
func TestProgressModes(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(500))
	s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Status: 500} }})
	run := func(args ...string) *process.Process {
		return start(t, append(append([]string{"mirror", small}, args...), "--store", filepath.Join(t.TempDir(), "store"), s.URL())...)
	}
	asJSON, plain, none := run("--progress", "json"), run("--progress", "bar"), run("--progress", "none")
	asJSON.Logs(`"message_type":"status"`)
	plain.Logs("progress")
	for _, p := range []*process.Process{asJSON, plain, none} {
		p.Signal(os.Interrupt)
		p.Wait()
	}
	if text := plain.Stderr.String(); strings.Contains(text, "\x1b") {
		t.Errorf("bars off a terminal: %q", text)
	}
	if text := none.Stderr.String(); strings.Contains(text, "progress") || strings.Contains(text, "message_type") {
		t.Errorf("none is %q", text)
	}
	finish(t, exitUsage, "mirror", "--progress", "loud", s.URL())
}

func TestCounted(t *testing.T) {
	for want, got := range map[string]string{
		"1 process": counted(1, "process"), "0 processes": counted(0, "process"), "2 directories": counted(2, "directory"), "1,000 files": counted(1000, "file"),
	} {
		if got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}

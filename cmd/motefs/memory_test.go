package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// memoryGroup makes a control group that may take that many bytes. The test is left
// out where none can be made.
func memoryGroup(t *testing.T, limit int64) (dir string) {
	t.Helper()
	var errs []error
	for _, hierarchy := range []struct{ root, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, // version 1
		{"/sys/fs/cgroup", "memory.max"},
	} {
		dir = filepath.Join(hierarchy.root, fmt.Sprintf("motefs-test-%d", os.Getpid()))
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			if err = os.WriteFile(filepath.Join(dir, hierarchy.limit), fmt.Append(nil, limit), 0o644); err == nil {
				t.Cleanup(func() {
					if err := os.Remove(dir); err != nil {
						t.Error(err)
					}
				})
				return dir
			}
			err = errors.Join(err, os.Remove(dir))
		}
		errs = append(errs, err)
	}
	t.Skipf("no control group for memory can be made here: %v", errors.Join(errs...))
	return ""
}

// killed is how many processes of a control group were killed for their memory.
func killed(t *testing.T, group string) string {
	t.Helper()
	for _, file := range []string{"memory.oom_control", "memory.events"} {
		text, err := os.ReadFile(filepath.Join(group, file))
		if found := regexp.MustCompile(`(?m)^oom_kill (\d+)$`).FindSubmatch(text); err == nil && found != nil {
			return string(found[1])
		}
	}
	t.Fatalf("%s does not say how many were killed", group)
	return ""
}

// plainBinary is the program under test without the race detector, which takes
// several times the memory.
func plainBinary(t *testing.T) string {
	t.Helper()
	if !raceEnabled {
		return binary
	}
	path := filepath.Join(t.TempDir(), "motefs")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// servedPlain is the URL of files that a process of the program without the race detector
// serves: with it, an origin of a million files takes a minute of processor time.
func servedPlain(t *testing.T, plain string, o serve.SyntheticOptions) string {
	t.Helper()
	p := process.Start(t, process.Command(plain, "serve", "--listen", "127.0.0.1:0", "--synthetic", fmt.Sprint(o.Files), "--body-size", fmt.Sprint(cmp.Or(o.BodySize, serve.DefaultBodySize))))
	url, _, _ := strings.Cut(strings.TrimPrefix(p.Line(), "motefs: origin at "), ";")
	return url
}

// TestLittleMemory mirrors a million files, and longer ones, in a control group of
// 256 MiB, and mounts them there for readers.
func TestLittleMemory(t *testing.T) {
	fusetest.Need(t)
	group := memoryGroup(t, 256<<20)
	plain := plainBinary(t)
	in := func(args ...string) *exec.Cmd {
		cmd := process.Command("sh", append([]string{"-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, group, plain}, args...)...)
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(t.TempDir(), "cache"))
		return cmd
	}
	for _, o := range []serve.SyntheticOptions{{Files: 1_000_000}, {Files: 16_000, BodySize: 30_000}} {
		t.Run(fmt.Sprint(o.Files), func(t *testing.T) {
			url := servedPlain(t, plain, o)
			m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
			t.Cleanup(m.clear)
			p := process.Start(t, in("mirror", "--store", m.store, url))
			if status := p.Wait(); status != exitOK || !strings.Contains(p.Stdout.String(), "the mirror is complete") {
				t.Fatalf("status %d: %s", status, p)
			}
			m = m.start(in("mount", "--store", m.store, url, m.dir))
			var readers []*process.Process
			for range 4 {
				readers = append(readers, process.Start(t, process.Command("sh", "-c", `cd "$1" && ls | head -n 10000 | xargs cat | sha256sum`, "sh", m.dir)))
			}
			first := serve.NewSynthetic(serve.SyntheticOptions{Files: min(o.Files, 10_000), BodySize: o.BodySize})
			for _, r := range readers {
				if status := r.Wait(); status != 0 || r.Stdout.String() != shaOf(first) {
					t.Errorf("a reader ends with %d: %s", status, r)
				}
			}
			m.stop()
		})
	}
	if n := killed(t, group); n != "0" {
		t.Errorf("%s processes were killed", n)
	}
}

// TestSegmentsMemory mirrors into segments files whose contents do not fit into what is kept of them in memory.
func TestSegmentsMemory(t *testing.T) {
	const files, most = 300_000, 256_000_000
	plain := plainBinary(t)
	for _, size := range []int64{1024, 4000} {
		url := servedPlain(t, plain, serve.SyntheticOptions{Files: files * 1024 / size, BodySize: size})
		p := process.Start(t, process.Command(plain, "mirror", "--segments", "file://"+filepath.Join(t.TempDir(), "mirror"), "--store", filepath.Join(t.TempDir(), "work"), url))
		var peak int64
		eventually.True(t, "the mirror to end", func() bool {
			// What it takes as it ends is less.
			if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid())); err == nil {
				if found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); found != nil {
					kib, err := strconv.ParseInt(string(found[1]), 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					peak = max(peak, kib<<10)
				}
			}
			return p.Ended()
		})
		if status := p.Wait(); status != exitOK || peak == 0 || peak > most {
			t.Errorf("files of %d bytes: status %d, at most %d MB of memory: %s", size, status, peak/1_000_000, p)
		}
		t.Logf("files of %d bytes: at most %d MB of memory", size, peak/1_000_000)
	}
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// readersProgram opens files from many threads and says how that ended once all
// have an answer.
const readersProgram = `
import collections, errno, resource, sys, threading
threads, names = int(sys.argv[1]), sys.argv[2:]
threading.stack_size(64 << 10)
ended = collections.Counter()
def read(name):
    try:
        open(name, "rb").read()
        ended["read"] += 1
    except OSError as err:
        ended[errno.errorcode[err.errno]] += 1
readers = [threading.Thread(target=read, args=(names[i % len(names)],)) for i in range(threads)]
for r in readers:
    r.start()
print("all wait", flush=True)
for r in readers:
    r.join()
print(dict(ended), flush=True)
`

// memory is what a process has in memory, in bytes, by a field of proc_pid_status(5):
// VmRSS, now, or VmHWM, at most.
func memory(t *testing.T, p *process.Process, field string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no memory in %s", status)
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// raceFactor is how much more memory a program may have with the race detector.
func raceFactor() int64 {
	if raceEnabled {
		return 4
	}
	return 1
}

// TestThousandsWaitForWhatNeverComes has 2,000 readers wait for one file that the
// origin never sends, or for as many files. Others read on what is here, motefs
// does not grow much, and Ctrl-C ends all.
func TestThousandsWaitForWhatNeverComes(t *testing.T) {
	need(t, "python3")
	const waiting = 2000
	src := synthetic(10_000)
	for _, files := range []int64{1, waiting} {
		t.Run(fmt.Sprint(files, " files"), func(t *testing.T) {
			s := serveTest(t, serve.Options{}, src)
			m := startMount(t, s.URL())
			m.Logs("every name is listed")
			shell(t, `cat "$1"/file-0000000000* >/dev/null`, m.dir)
			before := memory(t, m.Process, "VmRSS")
			s.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
				if bytes.HasPrefix(name, []byte("file-00000000000")) {
					return origintest.Fault{}
				}
				return origintest.Fault{Mode: origintest.Hang}
			}})
			args := []string{"-c", readersProgram, fmt.Sprint(waiting)}
			for i := range files {
				args = append(args, filepath.Join(m.dir, src.Name(5000+i)))
			}
			readers := process.Start(t, process.Command("python3", args...))
			readers.Says("all wait")
			if got := shell(t, `cat "$1/$2"; ls "$1" | wc -l; stat -c %s "$1/$3"`, m.dir, src.Name(7), src.Name(8)); got != string(src.Body(7))+"10000\n100\n" {
				t.Errorf("others read %q", got)
			}
			// Each request under way costs some 25 KiB, and with the race detector
			// 100.
			limit := 150 << 20 * raceFactor()
			grown := memory(t, m.Process, "VmRSS") - before
			if t.Logf("%d readers cost %d MiB", waiting, grown>>20); grown > limit {
				t.Errorf("they may cost %d MiB", limit>>20)
			}
			m.Signal(os.Interrupt)
			if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
				t.Errorf("status %d, mounts %q:\n%s", status, mountsBelow(m.dir), m.Stderr)
			}
			if status := readers.Wait(); status != 0 || !regexp.MustCompile(`\{('ENOTCONN'|'ECONNABORTED'): 2000\}|\{'ENOTCONN': \d+, 'ECONNABORTED': \d+\}`).MatchString(readers.Stdout.String()) {
				t.Errorf("the readers end with %d: %s", status, readers)
			}
			if n := len(lines(m.Stderr.String())); n > 100 {
				t.Errorf("%d lines of log for %d readers", n, waiting)
			}
		})
	}
}

// TestDirectoryGoneAtTheOrigin removes a directory under its readers: its files
// are no more once somebody asks for them, the directory itself stays.
func TestDirectoryGoneAtTheOrigin(t *testing.T) {
	t.Parallel()
	tree, s := serveTree(t, serve.Options{})
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	inside := startUser(t, "sh")
	inside.Eval(fmt.Sprintf("cd '%s/small/3'; exec 3<'file 003.txt'", m.dir))
	if err := os.RemoveAll(filepath.Join(tree, "small", "3")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ line, want string }{
		{"cat <&3", "333"},
		{"cat 'file 003.txt'", "333"}, // what is here stays here
		{"ls | wc -l", "43\n"},
		{"cat 'file 297.txt' 2>&1", "cat: 'file 297.txt': No such file or directory\n"},
		{"ls | grep -c 'file 297.txt'", "0\n"},
		{"find . -type f -size +0 2>/dev/null", "./file 003.txt\n"},
		{"ls -l 2>/dev/null | grep -c file", "1\n"},
		{"cd ..; ls; stat -c %A 3", "0\n1\n2\n3\n4\n5\n6\ndr-xr-xr-x\n"},
	} {
		if got := inside.Eval(step.line); got != step.want {
			t.Errorf("%s prints %q, want %q", step.line, got, step.want)
		}
	}
	inside.Kill()
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store, s.URL())
	again := m.again(s.URL())
	if got := shell(t, `ls "$1/small/3"; cat "$1/small/3/file 003.txt"`, m.dir); got != "file 003.txt\n333" {
		t.Errorf("after a restart one sees %q", got)
	}
	again.stop()
}

// damage changes 64 bytes in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	middle := text[len(text)/2:]
	for i := range min(64, len(middle)) {
		middle[i] ^= 0x55
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedTable flips bytes in the largest table of a store. Whoever reads what
// stood there gets EIO, and everybody else what the origin has.
func TestDamagedTable(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1500, BodySize: 4000, FilesPerDir: 150})
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	want := shell(t, `cd "$1"; find . -type f -print0 | sort -z | xargs -0 sha256sum`, m.dir)
	m.stop()
	damage(t, strings.TrimSpace(shell(t, `ls -S "$1"/db/*.sst | head -n 1`, m.store)))
	gets := s.Counts().Gets
	names := listOf(t, want)
	for range 2 { // an error is not remembered, and does not spread
		again := m.again(s.URL(), "--prefetch-all")
		problems := filepath.Join(t.TempDir(), "problems")
		sums := shell(t, `cd "$1"; xargs -0 -P 4 -n 50 sha256sum 2>"$3" <"$2" || true`, again.dir, names, problems)
		for _, line := range lines(sums) {
			if !strings.Contains(want, line) {
				t.Errorf("a reader of a damaged store sees %q", line)
			}
		}
		failed := strings.Count(process.MustRun(t, "cat", problems), ": Input/output error\n")
		if failed == 0 || failed > 100 || len(lines(sums))+failed != 1500 {
			t.Errorf("%d files are read and %d are errors, of 1500", len(lines(sums)), failed)
		}
		again.Signal(os.Interrupt)
		if status := again.Wait(); status != 0 {
			t.Errorf("status %d", status)
		}
		if text := again.Stderr.String(); !strings.Contains(text, "corrupt") && !strings.Contains(text, "checksum") {
			t.Errorf("the log does not tell of the damage:\n%s", text)
		}
	}
	if n := s.Counts().Gets; n != gets {
		t.Errorf("%d gets for damaged files", n-gets)
	}
	v := finish(t, exitDamaged, "verify", "--store", m.store)
	if !strings.Contains(v.Stdout.String(), "problem: table db/") || !strings.Contains(v.Stdout.String(), "entries ") {
		t.Errorf("verify says %q", v.Stdout)
	}
	// The lost files come back, and nothing else is fetched.
	r := finish(t, exitOK, "verify", "--store", m.store, "--repair", s.URL())
	finish(t, exitOK, "mirror", "--store", m.store, s.URL())
	if n := s.Counts().Gets - gets; n == 0 || n > 100+10 { // and guards
		t.Errorf("%d gets after a repair that says:\n%s", n, r.Stdout)
	}
	finish(t, exitOK, "verify", "--store", m.store)
	m.again(s.URL())
	if got := shell(t, `cd "$1"; find . -type f -print0 | sort -z | xargs -0 sha256sum`, m.dir); got != want {
		t.Error("after repair and mirror the mount shows something else")
	}
}

// TestMirrorOfADamagedStore damages a store in which every name is listed and nothing is
// fetched. The mirror goes on with all that it can, and in the end says what to do.
func TestMirrorOfADamagedStore(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 20_000, BodySize: 100, FilesPerDir: 1000})
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	m.stop()
	damage(t, strings.TrimSpace(shell(t, `ls -S "$1"/db/*.sst | head -n 1`, m.store)))
	v := finish(t, exitDamaged, "mirror", "--store", m.store, s.URL())
	if text := v.Stderr.String(); !strings.Contains(text, "motefs verify --store "+m.store+" --repair") || strings.Contains(text, "panic") || strings.Contains(text, "is complete") {
		t.Errorf("the mirror says %q", text)
	}
	first := s.Counts().Gets
	if first < 15_000 {
		t.Errorf("a damaged block kept the mirror from all but %d files", first)
	}
	finish(t, exitOK, "verify", "--store", m.store, "--repair")
	finish(t, exitOK, "mirror", "--store", m.store, s.URL())
	if n := s.Counts().Gets; n > 20_000+1_000 { // and guards
		t.Errorf("%d gets for 20,000 files, %d of them before the repair", n, first)
	}
	finish(t, exitOK, "verify", "--store", m.store)
}

// listOf writes the names in what sha256sum has printed to a file, each with a NUL.
func listOf(t *testing.T, sums string) string {
	t.Helper()
	var names bytes.Buffer
	for _, line := range lines(sums) {
		fmt.Fprintf(&names, "%s\x00", line[66:])
	}
	path := filepath.Join(t.TempDir(), "names")
	write(t, path, names.Bytes())
	return path
}

// TestDamagedBlobs damages the files of two long contents: one has bytes changed, and
// one is cut. Readers are told, and verify finds both.
func TestDamagedBlobs(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 20, BodySize: 300_000})
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	m.stop()
	blobs := lines(shell(t, `ls "$1"/blobs/*/*`, m.store))
	if len(blobs) != 20 {
		t.Fatalf("%d blobs", len(blobs))
	}
	damage(t, blobs[3])
	if err := os.Truncate(blobs[5], 150_000); err != nil {
		t.Fatal(err)
	}
	again := m.again(s.URL())
	right, failed := 0, 0
	for i := range int64(20) {
		out, err := process.Run(t, "cat", filepath.Join(m.dir, src.Name(i)))
		switch {
		case err != nil && strings.Contains(out, "Input/output error"):
			failed++
		case err == nil && out == string(src.Body(i)):
			right++
		}
	}
	if right != 18 || failed != 2 {
		t.Errorf("of 20 files, 2 of them damaged, %d read well and %d are errors", right, failed)
	}
	again.Signal(os.Interrupt)
	if status := again.Wait(); status != 0 || !strings.Contains(again.Stderr.String(), "damaged") {
		t.Errorf("status %d, log:\n%s", status, again.Stderr)
	}
	v := finish(t, exitDamaged, "verify", "--store", m.store)
	if n := strings.Count(v.Stdout.String(), "problem: "); n != 2 {
		t.Errorf("verify finds %d of 2 problems:\n%s", n, v.Stdout)
	}
}

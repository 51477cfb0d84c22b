package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// makeTree makes a directory with files of many kinds and returns its path.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, body string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		write(fmt.Sprintf("small/%d/file %03d.txt", i%7, i), strings.Repeat(fmt.Sprint(i), i))
	}
	write("empty", "")
	write("exactly the inline limit", strings.Repeat("i", cache.DefaultInlineLimit))
	write("one byte more", strings.Repeat("j", cache.DefaultInlineLimit+1))
	write("large/five megabytes", strings.Repeat("0123456789abcdef", 5<<16))
	write("a", "a file")
	write("ünï/çødé", "names")
	write("latin1/\xe9t\xe9", "not UTF-8")
	write(strings.Repeat("n", 255), "a long name")
	write("sp ace/new\nline/quo\"te", "odd")
	return dir
}

func TestMountIsTheOriginsDirectory(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--prefetch-all"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			tree := makeTree(t)
			src, err := serve.OpenTree(tree)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = src.Close() })
			s := serveTest(t, serve.Options{PageSize: 50}, src)
			m := startMount(t, s.URL(), args...)
			m.Logs("is") // "every name is listed", "the mirror is complete"
			process.MustRun(t, "diff", "-r", tree, m.dir)
			if got, want := shell(t, `cd "$1"; find . | sort | sha256sum`, m.dir), shell(t, `cd "$1"; find . | sort | sha256sum`, tree); got != want {
				t.Error("find sees something else in the mount")
			}
			if got, want := shell(t, `cd "$1"; tar c --sort=name . | tar t | wc -l`, m.dir), shell(t, `cd "$1"; tar c --sort=name . | tar t | wc -l`, tree); got != want {
				t.Errorf("tar sees %s names, want %s", got, want)
			}
			copied := filepath.Join(t.TempDir(), "copy")
			process.MustRun(t, "cp", "-a", m.dir, copied)
			process.MustRun(t, "diff", "-r", tree, copied)
			shell(t, `cmp "$1/large/five megabytes" "$2/large/five megabytes"; tail -c 5 "$2/one byte more" | grep -q jjjjj`, tree, m.dir)
			m.stop()
			finish(t, exitOK, "verify", "--store", m.store, s.URL())
		})
	}
}

// TestReadersWhileTheMirrorRuns has each of the usual programs read the mount
// from the first moment on.
func TestReadersWhileTheMirrorRuns(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 20_000, FilesPerDir: 1000})
	// Pages that take a while each keep the mirror running.
	s := serveTest(t, serve.Options{PageSize: 500, ListLatency: 50 * time.Millisecond}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	shell(t, `until [ -e "$1/d000000" ]; do sleep 0.01; done`, m.dir)
	done := func() bool { return strings.Contains(m.Stderr.String(), "mirror is complete") }
	rounds := 0
	for ; !done(); rounds++ {
		out := shell(t, `cd "$1"
			ls >/dev/null; ls -l d000000 >/dev/null; find . -type f | head -n 100 >/dev/null
			cat d000000/* | wc -c; tar c d000000 | wc -c >/dev/null
			cp -a d000000 "$2"; rm -r "$2"`, m.dir, filepath.Join(t.TempDir(), "copy"))
		if n := strings.TrimSpace(out); n == "0" {
			t.Error("cat saw nothing")
		}
	}
	if rounds == 0 {
		t.Error("the mirror was over before a reader came")
	}
	if got := strings.TrimSpace(shell(t, `find "$1" -type f | wc -l`, m.dir)); got != "20000" {
		t.Errorf("the mount shows %s files at the end", got)
	}
	if got := shell(t, `cat "$1/`+src.Name(777)+`"`, m.dir); got != string(src.Body(777)) {
		t.Error("a file reads wrong")
	}
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store)
}

func TestReadingFetchesOnceAndARestartNothing(t *testing.T) {
	src := synthetic(100)
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	shell(t, `ls "$1" >/dev/null; find "$1" -maxdepth 1 -name 'nothing' ; ls -U "$1" | head -n 3 >/dev/null`, m.dir)
	if n := s.Counts().Gets; n != 0 {
		t.Errorf("ls made %d gets", n)
	}
	shell(t, `for i in 1 2 3 4 5 6 7 8 9 10; do cat "$1/$2" & done; wait`, m.dir, src.Name(5))
	if n := s.Gets(src.Name(5)); n != 1 {
		t.Errorf("ten readers made %d gets", n)
	}
	m.stop()
	before := s.Counts()
	again := m.again(s.URL())
	if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(5)); got != string(src.Body(5)) {
		t.Error("the file reads wrong after a restart")
	}
	if after := s.Counts(); after.Gets != before.Gets || after.Lists != before.Lists {
		t.Errorf("a restart made requests: %+v, then %+v", before, after)
	}
	again.stop()
}

func TestUnmount(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(1000))
	for what, unmount := range map[string]func(m *mountedProcess){
		"Ctrl-C":         func(m *mountedProcess) { m.Signal(os.Interrupt) },
		"SIGTERM":        func(m *mountedProcess) { m.Signal(syscall.SIGTERM) },
		"motefs unmount": func(m *mountedProcess) { finish(t, exitOK, "unmount", m.dir) },
		"fusermount3 -u": func(m *mountedProcess) { process.MustRun(t, "fusermount3", "-u", m.dir) },
		"umount":         func(m *mountedProcess) { process.MustRun(t, "umount", m.dir) },
	} {
		t.Run(what, func(t *testing.T) {
			m := startMount(t, s.URL(), "--prefetch-all")
			m.Logs("mirror is complete")
			shell(t, `cat "$1"/file-00000000000* >/dev/null`, m.dir)
			unmount(m)
			m.ended()
			finish(t, exitOK, "verify", "--store", m.store)
			if _, err := os.Stat(filepath.Join(m.store, "OWNER")); err == nil {
				t.Error("the store is still marked as held")
			}
		})
	}
}

func TestUnmountWhileTheOriginHangs(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--prefetch-all"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			src := synthetic(100)
			s := serveTest(t, serve.Options{}, src)
			s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Mode: origintest.Hang} }})
			m := startMount(t, s.URL(), args...)
			reader := process.Start(t, process.Command("cat", filepath.Join(m.dir, src.Name(1))))
			eventually.True(t, "a get", func() bool { return s.Gets(src.Name(1)) > 0 })
			start := time.Now()
			m.Signal(os.Interrupt)
			if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
				t.Errorf("status %d, mounts %q:\n%s", status, mountsBelow(m.dir), m.Stderr)
			}
			t.Logf("unmounted after %v", time.Since(start))
			if reader.Wait() == 0 {
				t.Error("a reader of a file that never came got no error")
			}
		})
	}
}

func TestUnmountWhileInUse(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(10))
	m := startMount(t, s.URL())
	startUser(t, "sh").Eval("cd " + m.dir)
	p := finish(t, exitMountpoint, "unmount", m.dir)
	if !strings.Contains(p.Stderr.String(), "in use by sh (process ") {
		t.Errorf("unmount says %q", p.Stderr)
	}
	m.Signal(syscall.SIGTERM) // and a system that ends it does not wait
	if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 || !strings.Contains(m.Stderr.String(), "unmounted all the same") {
		t.Errorf("status %d, mounts %q:\n%s", status, mountsBelow(m.dir), m.Stderr)
	}
}

// TestCtrlCWhileInUse presses Ctrl-C while a program stands in the mount: it is told of,
// and left in peace. The mount goes once it has left, or with the second Ctrl-C.
func TestCtrlCWhileInUse(t *testing.T) {
	t.Parallel()
	src := synthetic(10)
	s := serveTest(t, serve.Options{}, src)
	for _, how := range []string{"it leaves", "Ctrl-C again", "SIGTERM"} {
		t.Run(how, func(t *testing.T) {
			m := startMount(t, s.URL(), "--prefetch-all")
			m.Logs("mirror is complete")
			user := startUser(t, "sh")
			user.Eval("cd " + m.dir)
			m.Signal(os.Interrupt)
			m.Logs(m.dir + " is in use by sh (process ")
			if got := user.Eval("cat " + src.Name(5)); got != string(src.Body(5)) || len(mountsBelow(m.dir)) != 1 {
				t.Errorf("who uses the mount reads %q, mounts %q", got, mountsBelow(m.dir))
			}
			switch how {
			case "it leaves":
				user.Eval("cd /")
			case "Ctrl-C again":
				m.Signal(os.Interrupt)
			default:
				m.Signal(syscall.SIGTERM)
			}
			if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 || !strings.Contains(m.Stdout.String(), "unmounted") {
				t.Errorf("status %d, mounts %q:\n%s%s", status, mountsBelow(m.dir), m.Stdout, m.Stderr)
			}
			cutOff := strings.Contains(m.Stderr.String(), "unmounted all the same, and they get errors")
			if left := how == "it leaves"; left == cutOff {
				t.Errorf("%s", m.Stderr)
			}
			finish(t, exitOK, "verify", "--store", m.store)
		})
	}
}

func TestDeadMountIsCleared(t *testing.T) {
	src := synthetic(50)
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	m.Signal(syscall.SIGKILL)
	m.Wait()
	if len(mountsBelow(m.dir)) == 0 {
		t.Fatal("a killed mount is gone by itself: this test has nothing to test")
	}
	again := m.again(s.URL())
	if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(7)); got != string(src.Body(7)) {
		t.Error("the file reads wrong")
	}
	again.stop()
}

func TestDescriptorsDoNotGrow(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 400, BodySize: 70_000})
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	open := func() int {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.Pid()))
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	shell(t, `cat "$1"/* >/dev/null`, m.dir)
	before := open()
	for range 3 {
		shell(t, `cat "$1"/* >/dev/null; ls -l "$1" >/dev/null`, m.dir)
	}
	if after := open(); after > before+8 {
		t.Errorf("%d descriptors are open, then %d", before, after)
	}
	m.stop()
}

func TestHostileNamesInTheMount(t *testing.T) {
	names := []string{".", "b/..", "../../etc/passwd", "/abs", "a/", "c//b", "nul\x00", "%2e%2e", "%%", "new\nline",
		"\xff\xfe", strings.Repeat("n", 255), strings.Repeat("o", 300), "ünï", "a?b#c&d=e+f", `back\slash`, `"quote"`, "-rf", " "}
	var files []origintest.File
	for _, n := range names {
		files = append(files, origintest.File{Name: n, Body: []byte("body of " + n)})
	}
	s := serveTest(t, serve.Options{}, origintest.NewFiles(files...))
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	if n := len(strings.Split(strings.TrimSuffix(shell(t, `find "$1" -type f -print0`, m.dir), "\x00"), "\x00")); n != len(names) {
		t.Errorf("find sees %d files of %d", n, len(names))
	}
	for _, n := range names {
		path, err := cache.SplitName(nil, n)
		if err != nil {
			t.Fatal(err)
		}
		if got := process.MustRun(t, "cat", m.dir+"/"+strings.Join(path, "/")); got != "body of "+n {
			t.Errorf("%q holds %q", n, got)
		}
	}
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store)
}

func TestOriginDownMountsWhatThereIs(t *testing.T) {
	src := synthetic(50)
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	m.stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := m.again(s.URL())
	if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(49)); got != string(src.Body(49)) {
		t.Error("the file reads wrong")
	}
	if out, err := exec.Command("cat", filepath.Join(m.dir, "not there")).CombinedOutput(); err == nil || !strings.Contains(string(out), "No such file") {
		t.Errorf("a name that is not there: %s", out)
	}
	again.stop()
}

func TestTwoStoresAtOnce(t *testing.T) {
	one, two := synthetic(30), serve.NewSynthetic(serve.SyntheticOptions{Files: 30, Seed: 2})
	s1, s2 := serveTest(t, serve.Options{}, one), serveTest(t, serve.Options{}, two)
	m1, m2 := startMount(t, s1.URL()), startMount(t, s2.URL())
	for i := range int64(30) {
		if shell(t, `cat "$1/$2"`, m1.dir, one.Name(i)) != string(one.Body(i)) || shell(t, `cat "$1/$2"`, m2.dir, two.Name(i)) != string(two.Body(i)) {
			t.Errorf("file %d is mixed up", i)
		}
	}
	p := finish(t, exitStore, "mirror", "--store", m1.store, s1.URL())
	if !strings.Contains(p.Stderr.String(), fmt.Sprint(m1.Pid())) || strings.Count(p.Stderr.String(), "\n") != 1 {
		t.Errorf("a store in use: %q", p.Stderr)
	}
	m1.stop()
	m2.stop()
}

func TestTheMountIsReadOnly(t *testing.T) {
	s := serveTest(t, serve.Options{}, synthetic(3))
	m := startMount(t, s.URL())
	for _, script := range []string{`touch "$1/new"`, `echo x >"$1/file-000000000000"`, `rm -f "$1/file-000000000000"`, `mkdir "$1/d"`, `chmod 600 "$1/file-000000000000"`} {
		out, err := exec.Command("sh", "-c", script, "sh", m.dir).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "Read-only file system") {
			t.Errorf("%s: %v, %s", script, err, out)
		}
	}
	m.stop()
}

func TestTheCheckersBite(t *testing.T) {
	dir := t.TempDir()
	process.MustRun(t, "mount", "-t", "tmpfs", "tmpfs", dir)
	if len(mountsBelow(dir)) != 1 {
		t.Error("a mount that is left behind goes unnoticed")
	}
	process.MustRun(t, "umount", dir)
	if len(mountsBelow(dir)) != 0 {
		t.Error("a mount is seen where there is none")
	}
}

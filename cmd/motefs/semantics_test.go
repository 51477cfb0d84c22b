package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// What SEMANTICS.md says of names and of what becomes of them, on a real mount.

// filesNamed is an origin of files whose bodies are "body of " and their name.
func filesNamed(names ...string) *origintest.Files {
	var files []origintest.File
	for _, n := range names {
		files = append(files, origintest.File{Name: n, Body: []byte("body of " + n)})
	}
	return origintest.NewFiles(files...)
}

// found is what find shows of a mount, sorted, the mountpoint left away.
func found(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	out := process.MustRun(t, "find", append([]string{dir, "-mindepth", "1"}, append(args, "-printf", `%P\0`)...)...)
	names := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	slices.Sort(names)
	return names
}

func TestNamesByteForByte(t *testing.T) {
	names := []string{"readme", "README", "ReadMe", "e\u0301", "\u00e9", "\u212b", "A\u030a", "\u00c5", "\xff\xfe", "a\x80", "a\xe9",
		"new\nline", "tab\t", " ", "*", `back\slash`, "a:b", "con", "%", "a%2fb", "%2e", strings.Repeat("n", 255), strings.Repeat("é", 127) + "x"}
	slices.Sort(names) // a listing in no order is put in one
	s := serveTest(t, serve.Options{}, filesNamed(names...))
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	if got := process.MustRun(t, "find", m.dir, "-mindepth", "1", "-printf", `%P\0`); got != strings.Join(names, "\x00")+"\x00" {
		t.Errorf("they come as %q, not in the order of the listing", got)
	}
	if got := found(t, m.dir); !slices.Equal(got, names) {
		t.Errorf("find sees\n%q, want\n%q", got, names)
	}
	for _, n := range names {
		if got := process.MustRun(t, "cat", m.dir+"/"+n); got != "body of "+n {
			t.Errorf("%q holds %q", n, got)
		}
	}
	m.stop()
}

// The rows of the table of escapes.
func TestEscapesInTheMount(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("l", 300)
	for name, path := range map[string]string{
		"": "%%", "d//b": "d/%%/b", "/a": "%%/a", "e/": "e/%%", ".": "%%.", "f/..": "f/%%..",
		"nul\x00%": "%%nul%00%25", "%%x": "%%%25%25x", "50%": "50%", "...": "...",
		long: "%%" + long[:252] + "%/" + long[252:],
	} {
		s := serveTest(t, serve.Options{}, filesNamed(name))
		m := startMount(t, s.URL(), "--prefetch-all")
		m.Logs("mirror is complete")
		if got := found(t, m.dir, "-type", "f"); len(got) != 1 || got[0] != path {
			t.Errorf("%q is shown as %q, want %q", name, got, path)
		}
		if got := process.MustRun(t, "cat", m.dir+"/"+path); got != "body of "+name {
			t.Errorf("%q holds %q", path, got)
		}
		m.stop()
	}
}

// Which of the two has the plain name depends on which is stored first, and stays
// so.
func TestFileAndDirectoryInTheMount(t *testing.T) {
	for _, order := range [][]string{{"a", "a/b"}, {"a/b", "a"}} {
		s := serveTest(t, serve.Options{PageSize: 1}, filesNamed(order...))
		m := startMount(t, s.URL(), "--prefetch-all")
		m.Logs("mirror is complete")
		got := found(t, m.dir)
		file, dir := "a", "%%a"
		if slices.Contains(got, "a/b") {
			file, dir = dir, file
		}
		if want := []string{"%%a", "a", dir + "/b"}; !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%q: find sees %q, want %q", order, got, want)
		}
		if order[0] == "a/b" && dir != "a" {
			t.Error("a directory that was there before is no longer called a")
		}
		m.stop()
		again := m.again(s.URL())
		if got := shell(t, `cat "$1" "$2"`, m.dir+"/"+file, m.dir+"/"+dir+"/b"); got != "body of abody of a/b" {
			t.Errorf("%q: %q", order, got)
		}
		again.stop()
	}
}

// A name of 4,000 components is deeper than a path can say (PATH_MAX), and can be
// walked to all the same.
func TestDeepAndManyDirectories(t *testing.T) {
	t.Parallel()
	names := []string{strings.Repeat("d/", 4000) + "deep"}
	for i := range 3000 {
		names = append(names, "many/"+strings.Repeat("x", 1+i%50)+string(rune('a'+i%26))+time.Duration(i).String()+"/f")
	}
	s := serveTest(t, serve.Options{}, filesNamed(names...))
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	if got := shell(t, `find "$1/d" | wc -l; find "$1/d" -name deep -execdir cat {} \; | tail -c 4; find "$1/many" -name f | wc -l; ls "$1/many" | wc -l
		find "$1" -printf "%i\n" | sort | uniq -d | wc -l`, m.dir); got != "4001\ndeep3000\n3000\n0\n" {
		t.Errorf("find sees %q", got)
	}
	m.stop()
}

func TestGoneInTheMount(t *testing.T) {
	t.Parallel()
	src := filesNamed("here", "gone")
	src.Vanish("gone")
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	if got := process.MustRun(t, "ls", m.dir); got != "here\n" {
		t.Errorf("ls shows %q", got)
	}
	before := s.Counts().Gets
	process.MustFail(t, "No such file or directory", "stat", m.dir+"/gone")
	if after := s.Counts().Gets; after != before {
		t.Error("the origin is asked again for a file that is gone")
	}
	m.stop()
}

func TestFailedFileIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, filesNamed("good", "bad"))
	refuse := func(name []byte, _ int) (f origintest.Fault) {
		if string(name) == "bad" {
			f.Status = 403
		}
		return f
	}
	s.SetFaults(origintest.Faults{OnGet: refuse})
	m := startMount(t, s.URL(), "--prefetch-all", "--outage", shortOutage)
	m.Logs("but for the files that failed")
	if got := process.MustRun(t, "ls", m.dir); got != "bad\ngood\n" {
		t.Errorf("ls shows %q", got)
	}
	process.MustFail(t, "Input/output error", "cat", m.dir+"/bad")
	s.SetFaults(origintest.Faults{})
	if got := process.MustRun(t, "cat", m.dir+"/bad"); got != "body of bad" {
		t.Errorf("it reads %q", got)
	}
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 {
		t.Errorf("the mount ends with %d", status)
	}
}

// While the listing hangs at its second page.
func TestWhileTheListingGrows(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{PageSize: 2}, filesNamed("a", "dir/b", "later", "new/c"))
	goOn := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(letGo)
	s.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		if marker != "" {
			<-goOn
		}
		return origintest.Fault{}
	}})
	m := startMount(t, s.URL())
	// dir is there a moment before the files of its page.
	shell(t, `until ls "$1" | grep -qx a; do sleep 0.01; done`, m.dir)
	if got := process.MustRun(t, "ls", m.dir); got != "a\ndir\n" {
		t.Errorf("ls shows %q of the first page", got)
	}
	if got := process.MustRun(t, "cat", m.dir+"/later"); got != "body of later" {
		t.Errorf("a file that is not listed reads %q", got)
	}
	if got := process.MustRun(t, "ls", m.dir); got != "a\ndir\nlater\n" {
		t.Errorf("ls shows %q once an unlisted file was read", got)
	}
	for range 2 { // "No such file" is not remembered
		before := s.Gets("nothing")
		process.MustFail(t, "No such file or directory", "cat", m.dir+"/nothing")
		if s.Gets("nothing") != before+1 {
			t.Error("the origin is not asked for a name that may be listed yet")
		}
	}
	process.MustFail(t, "No such file or directory", "ls", m.dir+"/new")
	letGo()
	m.Logs("every name is listed")
	if got := shell(t, `ls "$1"; cat "$1/new/c"`, m.dir); got != "a\ndir\nlater\nnew\nbody of new/c" {
		t.Errorf("at the end: %q", got)
	}
	before := s.Counts().Gets
	process.MustFail(t, "No such file or directory", "cat", m.dir+"/nothing2")
	if s.Counts().Gets != before {
		t.Error("the origin is asked for a name though the listing is complete")
	}
	m.stop()
}

// With the origin gone, what is here reads, what is not is an error and not
// missing, and comes when the origin is back.
func TestOriginDownAndNotFetched(t *testing.T) {
	t.Parallel()
	src := filesNamed("here", "not")
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	process.MustRun(t, "cat", m.dir+"/here")
	s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Mode: origintest.Cut} }})
	if got := shell(t, `cat "$1/here"; ls "$1"; df --output=used "$1" >/dev/null`, m.dir); got != "body of herehere\nnot\n" {
		t.Errorf("with the origin down: %q", got)
	}
	process.MustFail(t, "Input/output error", "cat", filepath.Join(m.dir, "not"))
	if n := s.Gets("not"); n < 3 || n > 6 {
		t.Errorf("it was tried %d times", n)
	}
	s.SetFaults(origintest.Faults{})
	if got := process.MustRun(t, "cat", m.dir+"/not"); got != "body of not" {
		t.Errorf("with the origin back: %q", got)
	}
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 {
		t.Errorf("the mount ends with %d", status)
	}
}

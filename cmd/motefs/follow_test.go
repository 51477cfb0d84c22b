package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// edit has an origin serve other files.
func edit(f *origintest.Files, contents map[string]string) {
	var files []origintest.File
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		files = append(files, origintest.File{Name: name, Body: []byte(contents[name])})
	}
	f.Set(files...)
}

// asFolder makes a directory of an origin's files.
func asFolder(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMountFollowsItsOrigin changes an origin under a mount, in each way, while the kernel
// has everything cached and a program has a file open that goes.
func TestMountFollowsItsOrigin(t *testing.T) {
	contents := map[string]string{"kept": "kept", "goes": "line\nrest", "dir/goes": "goes", "turns": "a file", "back/file": "a directory"}
	for i := range 300 {
		contents[fmt.Sprintf("many/%03d", i)] = strings.Repeat("x", i)
	}
	src := origintest.NewFiles()
	edit(src, contents)
	s := serveTest(t, serve.Options{PageSize: 50}, src)
	m := startMount(t, s.URL(), "--prefetch-all", "--refresh-every", "1s")
	m.Logs("mirror is complete")
	process.MustRun(t, "diff", "-r", asFolder(t, contents), m.dir)
	h := process.Start(t, process.Command("sh"))
	h.Eval(fmt.Sprintf("exec 3<%q; read -r line <&3", m.dir+"/goes"))

	for _, name := range []string{"goes", "dir/goes", "turns", "back/file"} {
		delete(contents, name)
	}
	contents["turns/into/a/directory"] = "deep"
	contents["back"] = "a file again"
	contents["new"] = "new"
	for i := range 10 {
		delete(contents, fmt.Sprintf("many/%03d", 7*i))
		contents[fmt.Sprintf("many/new %d", i)] = "new"
	}
	edit(src, contents)
	want := asFolder(t, contents)
	eventually.True(t, "the mount shows what the origin has", func() bool {
		_, err := process.Run(t, "diff", "-r", want, m.dir)
		return err == nil
	})
	if got := strings.Fields(h.Eval(`cat <&3; echo; stat -L -c %s /dev/fd/3`)); !slices.Equal(got, []string{"rest", "9"}) {
		t.Errorf("a file that is open and went is read as %q", got)
	}
	h.Kill()
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store, s.URL())
}

// TestOpenAndMappedFileChanges has a program hold a file open and mapped, of which the kernel
// has no page yet, while a refresh replaces it: it reads the old bytes both ways, all of them.
func TestOpenAndMappedFileChanges(t *testing.T) {
	t.Parallel()
	old, changed := strings.Repeat("old bytes ", 200_000), strings.Repeat("new bytes ", 200_000)
	src := origintest.NewFiles()
	edit(src, map[string]string{"file": old})
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all", "--refresh-every", "10s", "--refresh=contents")
	m.Logs("mirror is complete")
	reader := process.Start(t, process.Command("python3", "-uc", `
import mmap, sys
f = open(sys.argv[1], "rb", buffering=0)
m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
print("ready")
sys.stdin.readline()
old = b"old bytes " * 200000
print(m[:] == old, f.readall() == old)
`, m.dir+"/file"))
	if line := reader.Line(); line != "ready" {
		t.Fatal(line)
	}
	edit(src, map[string]string{"file": changed})
	eventually.True(t, "the mount shows what the origin has", func() bool {
		return process.MustRun(t, "head", "-c", "9", m.dir+"/file") == "new bytes"
	})
	if _, err := reader.Stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if line := reader.Line(); line != "True True" {
		t.Errorf("mapped and open, the file has the old bytes: %s", line)
	}
	reader.Kill()
	m.stop()
}

// TestHalfFetchedFileChanges has a program hold a long file open and mapped, of which the origin
// has sent the beginning, when it changes there and refreshes pass: the program reads the old
// bytes both ways, or an error, and who opens the file then reads the new ones.
func TestHalfFetchedFileChanges(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	s, h := serveHeld(t, size, 8<<20)
	old := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(old, h.Content(0, 0, size), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startMount(t, s.URL(), "--refresh-every", "2s", "--refresh=contents")
	m.Logs("every name is listed")
	path := filepath.Join(m.dir, largeName)
	reader := process.Start(t, process.Command("python3", "-uc", `
import errno, mmap, sys
old = open(sys.argv[2], "rb").read()
f = open(sys.argv[1], "rb", buffering=0)
m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
print(m[:1<<20] == old[:1<<20], f.read(1<<20) == old[:1<<20])
sys.stdin.readline()
try:
    while p := f.read(1<<20):
        at = f.tell()
        if p != old[at-len(p):at]: print("mixed before", at)
    print("end", f.tell() == len(old))
except OSError as e:
    print("end", e.errno in (errno.ESTALE, errno.EIO))
print("mapped", m[:] == old)
`, path, old))
	if line := reader.Line(); line != "True True" {
		t.Fatal(line)
	}
	h.Set(func(s *origintest.HeldState) { s.Version, s.ETag = 1, `"two"` })
	lists := s.Counts().Lists
	eventually.True(t, "a refresh to begin and another after it", func() bool { return s.Counts().Lists > lists+1 })
	h.Release()
	if _, err := reader.Stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if line := reader.Line(); line != "end True" {
		t.Errorf("the file that is open: %s", line)
	}
	// Where a page cannot be had any more it is ended by SIGBUS, and has no status.
	if status := reader.Wait(); status > 0 || status == 0 && !strings.HasSuffix(reader.Stdout.String(), "mapped True\n") {
		t.Errorf("the file that is mapped: status %d, %s%s", status, reader.Stdout, reader.Stderr)
	}
	eventually.True(t, "the mount shows what the origin has", func() bool {
		got, err := process.Run(t, "head", "-c", "1000", path)
		return err == nil && got == string(h.Content(1, 0, 1000))
	})
	if got := process.MustRun(t, "cat", path); got != string(h.Content(1, 0, size)) {
		t.Error("the new file reads wrong")
	}
	m.stop()
}

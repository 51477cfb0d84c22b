//go:build unix

package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// TestNoWayOut has links lead out of the folder: nothing is read or written there.
func TestNoWayOut(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600),
		os.Symlink(outside, filepath.Join(dir, "out")),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")),
	); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	for _, name := range []string{"link", "out/secret"} {
		if text, _, err := objectstest.Get(t.Context(), s, name, 0, -1); err == nil {
			t.Errorf("get %q: %q", name, text)
		}
	}
	if err := s.Put(t.Context(), "out/written", objects.BytesBody(nil)); err == nil {
		t.Error("written outside")
	}
	if err := s.Delete(t.Context(), "out/secret"); err == nil {
		t.Error("deleted outside")
	}
	if infos, err := objectstest.List(t.Context(), s, "", ""); len(infos) > 0 || err != nil {
		t.Errorf("listed %v, %v", infos, err)
	}
	if entries, err := os.ReadDir(outside); len(entries) != 1 || err != nil {
		t.Errorf("outside are %v, %v", entries, err)
	}
}

// TestForeignFiles leaves what is no object out, and alone.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put(t.Context(), "a/b", objects.BytesBody(nil)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".nfs0001", "README", "a/.hidden", "a/x_y", "a/ü"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600), os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", 20)), 0o700)); err != nil {
		t.Fatal(err)
	}
	if infos, err := objectstest.List(t.Context(), s, "", ""); len(infos) != 1 || err != nil {
		t.Errorf("listed %v, %v", infos, err)
	}
	if _, _, err := s.Get(t.Context(), "pipe", 0, -1); err == nil {
		t.Error("a pipe is got")
	}
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a/x_y")); err != nil {
		t.Error(err)
	}
}

// TestNoClaims has a filesystem that can neither link nor rename to a free name: it says so, and
// nothing is left.
func TestNoClaims(t *testing.T) {
	for _, err := range []error{syscall.EPERM, syscall.ENOSYS, syscall.EOPNOTSUPP, &os.LinkError{Op: "linkat", Err: syscall.EPERM}} {
		if !noLinks(err) {
			t.Errorf("%v is no reason", err)
		}
	}
	if noLinks(syscall.EEXIST) || noLinks(syscall.ENOSPC) {
		t.Error("what is no reason is one")
	}
	dir := t.TempDir()
	s := open(t, dir)
	s.link = func(string, string) error { return syscall.EINVAL }
	if err := s.Create(t.Context(), "claim", objects.BytesBody(nil)); !errors.Is(err, syscall.EINVAL) || mirror.Temporary(err) {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, unfinished)); len(left) > 0 || err != nil {
		t.Errorf("left are %v, %v", left, err)
	}
}

// TestMayPass has a disk that is full, and a server that is away, pass; missing rights do not.
func TestMayPass(t *testing.T) {
	s := open(t, t.TempDir())
	for err, passes := range map[error]bool{
		syscall.ENOSPC: true, syscall.ESTALE: true, syscall.EIO: true, syscall.EACCES: false, syscall.EROFS: false, syscall.ENAMETOOLONG: false,
	} {
		s.link = func(string, string) error { return &os.LinkError{Op: "linkat", Err: err} }
		got := s.Create(t.Context(), "a", objects.BytesBody(nil))
		if !errors.Is(got, err) || mirror.Temporary(got) != passes {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// TestCutFile reads an object that has lost its end since it was opened.
func TestCutFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put(t.Context(), "a", objects.BytesBody(make([]byte, 1000))); err != nil {
		t.Fatal(err)
	}
	r, size, err := s.Get(t.Context(), "a", 0, -1)
	if err != nil || size != 1000 {
		t.Fatal(size, err)
	}
	defer r.Close()
	if err := os.Truncate(filepath.Join(dir, "a"), 500); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); len(text) != 500 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestManyNames lists a folder that has several times what is held of one, from anywhere, in
// order and once each.
func TestManyNames(t *testing.T) {
	const many = 20_000
	dir := t.TempDir()
	var want []string
	for i := range many {
		name := fmt.Sprintf("%x", uint32(i)*2654435761)
		want = append(want, "a/"+name)
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	slices.Sort(want)
	outer := t.TempDir()
	if err := os.Rename(dir, filepath.Join(outer, "a")); err != nil {
		t.Fatal(err)
	}
	s := open(t, outer)
	s.listAtOnce = 3000
	for _, from := range []int{0, many / 3, many - 1, many} {
		after := ""
		if from > 0 {
			after = want[from-1]
		}
		infos, err := objectstest.List(t.Context(), s, "a/", after)
		if err != nil || len(infos) != many-from {
			t.Fatalf("from %d on: %d names, %v", from, len(infos), err)
		}
		for i, info := range infos {
			if info.Name != want[from+i] {
				t.Fatalf("%d: %q, not %q", i, info.Name, want[from+i])
			}
		}
	}
}

//go:build unix

package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/passthrough"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// crashDir has this program be the one that is killed: it writes into that folder. crashHow says
// what, and until when.
const crashDir, crashHow = "MOTEFS_TEST_CRASH_DIR", "MOTEFS_TEST_CRASH_HOW"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		crash(dir, os.Getenv(crashHow))
	}
	if os.Getenv(showVar) != "" {
		if err := passthrough.Serve(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crash kills its own process in the middle of a write.
func crash(dir, how string) {
	s, err := Open(dir)
	if err != nil {
		panic(err)
	}
	kill := func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	body := objects.BytesBody(make([]byte, 1<<20))
	op, when, _ := strings.Cut(how, " ")
	publish := s.root.Rename
	if op == "create" {
		publish = s.link
	}
	switch when {
	case "writing":
		body.ReaderAt = killer{kill}
	case "before":
		publish = func(string, string) error { kill(); return nil }
	case "after":
		real := publish
		publish = func(temp, name string) error {
			err := real(temp, name)
			kill()
			return err
		}
	}
	_ = s.write(context.Background(), op, "a/b", body, publish)
	panic("not killed")
}

// killer is a body that kills who reads to its middle.
type killer struct{ kill func() }

func (k killer) ReadAt(p []byte, off int64) (int, error) {
	if off >= 512<<10 {
		k.kill()
	}
	return len(p), nil
}

// TestKilled kills a process in the middle of writing an object: it is there whole or not at all,
// and does not stand in the way of another.
func TestKilled(t *testing.T) {
	for how, there := range map[string]bool{
		"put writing": false, "put before": false, "put after": true,
		"create writing": false, "create before": false, "create after": true,
	} {
		dir := t.TempDir()
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), crashDir+"="+dir, crashHow+"="+how)
		out, err := c.CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s: %v: %s", how, err, out)
		}
		left, err := os.ReadDir(filepath.Join(dir, unfinished))
		if err != nil || len(left) != 1 && how != "put after" {
			t.Errorf("%s: it has left %v, %v", how, left, err)
		}
		s := open(t, dir)
		infos, err := objectstest.List(t.Context(), s, "", "")
		if err != nil || (len(infos) == 1) != there || there && infos[0].Size != 1<<20 {
			t.Errorf("%s: %v, %v", how, infos, err)
		}
		if _, _, err := s.Get(t.Context(), "a/b", 0, -1); there != (err == nil) || !there && !errors.Is(err, objects.ErrNotFound) {
			t.Errorf("%s: get: %v", how, err)
		}
		if err := s.Create(t.Context(), "a/b", objects.BytesBody([]byte("x"))); there != errors.Is(err, objects.ErrExists) || !there && err != nil {
			t.Errorf("%s: create: %v", how, err)
		}
	}
}

// TestSweep removes what is a day old by the filesystem's clock, and nothing else.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, unfinished), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"OLD": 25 * time.Hour, "YOUNG": 23 * time.Hour, "FUTURE": -time.Hour} {
		path := filepath.Join(dir, unfinished, name)
		at := time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(dir, "old")
	if err := errors.Join(os.WriteFile(old, []byte("x"), 0o600), os.Chtimes(old, time.Unix(0, 0), time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if err := s.Put(t.Context(), "new", objects.BytesBody(nil)); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, unfinished, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left are %q, %v", left, err)
	}
	if infos, err := objectstest.List(t.Context(), s, "", ""); len(infos) != 2 || err != nil {
		t.Errorf("objects are %v, %v", infos, err)
	}
	// Somebody tidies up between two writes.
	if err := os.RemoveAll(filepath.Join(dir, unfinished)); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "newer", objects.BytesBody(nil)); err != nil {
		t.Error(err)
	}
}

// TestLostAnswers has the answer to a link or a rename be lost, and the second try say that the name
// is taken, or that the file is gone, as over NFS.
func TestLostAnswers(t *testing.T) {
	s := open(t, t.TempDir())
	for i, real := range []func(temp, name string) error{s.root.Link, s.root.Rename, s.link} {
		twice := func(temp, name string) error {
			if err := real(temp, name); err != nil && !errors.Is(err, iofs.ErrExist) {
				return err
			}
			return real(temp, name)
		}
		name := string(rune('a'+i)) + "/claim"
		if err := s.write(t.Context(), "create", name, objects.BytesBody([]byte("first")), twice); err != nil {
			t.Errorf("%d: who has it: %v", i, err)
		}
		text, _, err := objectstest.Get(t.Context(), s, name, 0, -1)
		if string(text) != "first" || err != nil {
			t.Errorf("%d: %q, %v", i, text, err)
		}
		if err := s.Create(t.Context(), name, objects.BytesBody([]byte("first"))); !errors.Is(err, objects.ErrExists) {
			t.Errorf("%d: who has not: %v", i, err)
		}
	}
}

// TestFolderVanishes puts objects into a folder that others empty, and so remove, all the time.
func TestFolderVanishes(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 4 {
		s := open(t, dir)
		name := "a/b/" + string(rune('a'+i))
		wg.Go(func() {
			for range 100 {
				err := s.Create(t.Context(), name, objects.BytesBody([]byte(name)))
				text, _, get := objectstest.Get(t.Context(), s, name, 0, -1)
				if err = errors.Join(err, get, s.Delete(t.Context(), name)); err != nil || !bytes.Equal(text, []byte(name)) {
					t.Errorf("%q, %v", text, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left are %v, %v", entries, err)
	}
}

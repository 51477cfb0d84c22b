package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestStores lists what is in the default place, and removes nothing that is in use or no
// store.
func TestStores(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	place := t.TempDir()
	run := func(want int, args ...string) *process.Process {
		t.Helper()
		cmd := motefs(t, args...)
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+place)
		p := process.Start(t, cmd)
		if got := p.Wait(); got != want {
			t.Errorf("motefs %q exits with %d, want %d: %s", args, got, want, p)
		}
		return p
	}
	if p := run(exitOK, "stores"); !strings.Contains(p.Stdout.String(), "no stores") {
		t.Error(p)
	}
	a, b := serveTest(t, serve.Options{}, synthetic(500)), serveTest(t, serve.Options{}, synthetic(700))
	run(exitOK, "mirror", a.URL())
	root := filepath.Join(place, "motefs")
	if err := os.MkdirAll(filepath.Join(root, "broken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "broken", "FORMAT"), []byte("\x1b[2J"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	m := &mountedProcess{t: t, dir: t.TempDir()}
	t.Cleanup(m.clear)
	cmd := motefs(t, "mount", b.URL(), m.dir)
	cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+place)
	m = m.start(cmd)
	m.Logs("every name is listed")
	all := jsonObjects(t, run(exitOK, "stores", "--json").Stdout.String())
	states := map[string]status.State{}
	for _, o := range all {
		states[o.Origin] = o.State
	}
	if len(all) != 3 || states[a.URL()] != status.Complete || states[b.URL()] != status.Serving || states[""] != status.Unreadable {
		t.Errorf("the stores are %v", states)
	}
	text := run(exitOK, "stores").Stdout.String()
	for _, want := range []string{a.URL(), "500 of 500 files", b.URL(), "at " + m.dir, "3 stores in"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	run(exitStore, "stores", "remove", "--yes", b.URL())
	run(exitStore, "stores", "remove", "--yes", filepath.Join(root, "other"))
	run(exitStore, "stores", "remove", "--yes", filepath.Join(root, "nothing"))
	run(exitUsage, "stores", "remove", a.URL()) // nobody can be asked
	run(exitUsage, "stores", "remove")
	m.stop()
	run(exitOK, "stores", "remove", "--yes", b.URL(), a.URL())
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 2 || left[0].Name() != "broken" || left[1].Name() != "other" {
		t.Errorf("what is left is %v, %v", left, err)
	}
}

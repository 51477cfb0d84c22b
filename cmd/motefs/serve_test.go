package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestServeSaysWhatItLeavesOut serves a directory with all that a listing has no place
// for, several of each kind: each kind is told of once.
func TestServeSaysWhatItLeavesOut(t *testing.T) {
	dir := t.TempDir()
	shell(t, `cd "$1"; mkdir -p a/empty b/empty c; echo x >a/file; ln -s file a/link; ln -s nowhere c/link; mkfifo a/pipe c/pipe`, dir)
	p := start(t, "serve", "--listen", "127.0.0.1:0", dir)
	p.Says("stop it with Ctrl-C")
	_, rest, _ := strings.Cut(p.Stdout.String(), "origin at ")
	url, _, _ := strings.Cut(rest, ";")
	for range 2 {
		answer, err := http.Get(url + "/list") //nolint:noctx // it is answered at once
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	p.Signal(os.Interrupt)
	p.Wait()
	text := p.Stderr.String()
	for _, line := range []string{"FIFOs are left out, such as " + dir + "/a/pipe: an origin has regular files alone\n", "symbolic links are left out, such as " + dir + "/a/link", "empty directories are left out, such as " + dir + "/a/empty:"} {
		if strings.Count(text, line) != 1 {
			t.Errorf("it says %q; want once %q", text, line)
		}
	}
	if strings.Count(text, "\n") != 3 {
		t.Errorf("it says %q", text)
	}
	if os.Geteuid() != 0 {
		return
	}
	locked := filepath.Join(dir, "b")
	shell(t, `chmod 700 "$1"; chmod 755 "$2"`, locked, dir)
	openTo(t, dir)
	openTo(t, binary)
	q := process.Start(t, nobodys(motefs(t, "serve", "--listen", "127.0.0.1:0", dir)))
	q.Says("stop it with Ctrl-C")
	_, rest, _ = strings.Cut(q.Stdout.String(), "origin at ")
	url, _, _ = strings.Cut(rest, ";")
	answer, err := http.Get(url + "/list") //nolint:noctx // it is answered at once
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	q.Logs(locked + " cannot be read, and so the listing fails there: permission denied")
	q.Signal(os.Interrupt)
	q.Wait()
}

// TestServeEdition has the flags of serve make an origin that has changed.
func TestServeEdition(t *testing.T) {
	a := &app{}
	cmd := serveCommand(a)
	if err := cmd.ParseFlags([]string{"--synthetic", "100000", "--changed", "1%", "--removed", "0.02", "--added", "3%", "--validators"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"changed": "0.01", "removed": "0.02", "added": "0.03", "validators": "true"} {
		if got := cmd.Flag(name).Value.String(); got != want {
			t.Errorf("--%s is %s, want %s", name, got, want)
		}
	}
	f := &serveFlags{synthetic: 100_000, validators: true, changed: .01, removed: .02, added: .03}
	src, _, err := a.source(f, "")
	if err != nil {
		t.Fatal(err)
	}
	made := src.(*serve.Synthetic)
	n := made.EditionCounts()
	if n.Changed < 900 || n.Changed > 1100 || n.Removed < 1900 || n.Removed > 2100 || n.Added < 2850 || n.Added > 3150 {
		t.Errorf("%+v of 100,000", n)
	}
	var o serve.Object
	if err := made.Get([]byte(made.Name(made.Listed(0))), &o); err == nil && (len(o.ETag) == 0 || o.ModTime.IsZero()) {
		t.Errorf("no validators: %+v", o)
	}
}

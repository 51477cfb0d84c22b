package main

import (
	"os"
	"testing"

	"github.com/motefs/motefs/cmd/internal/nginx"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// startNginx serves these locations and returns its URL.
func startNginx(t *testing.T, dir, locations string) string {
	t.Helper()
	url, stop, err := nginx.Start(t.Context(), dir, locations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return url
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMirrorFromNginx(t *testing.T) {
	t.Parallel()
	dir, source := t.TempDir(), serve.NewSynthetic(serve.SyntheticOptions{Files: 12_345})
	if err := nginx.WriteOrigin(t.Context(), dir, source); err != nil {
		t.Fatal(err)
	}
	m := startMount(t, startNginx(t, dir, nginx.Origin(dir)), "--prefetch-all", "--connections", "3")
	m.Logs("mirror is complete")
	if got, want := shell(t, `cat "$1/file-000000012344"; find "$1" -type f | wc -l; cat "$1"/file-* | wc -c`, m.dir), string(source.Body(12_344))+"12345\n1234500\n"; got != want {
		t.Errorf("the mount shows %q, not %q", got, want)
	}
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store)
}

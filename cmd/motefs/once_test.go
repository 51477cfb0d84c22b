package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/rs/zerolog"
)

// TestPipesAreReadOnce has a session wait for a store that is in use: the header, which
// comes by a pipe, is there afterwards too.
func TestPipesAreReadOnce(t *testing.T) {
	s := serveTest(t, serve.Options{Token: "sesame"}, synthetic(5))
	dir := filepath.Join(t.TempDir(), "store")
	held, err := cache.Open(cache.Options{Dir: dir, Origin: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("Authorization: Bearer sesame\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	waited := false
	session, err := openSession(t.Context(), sessionOptions{
		command: "mount", id: s.URL(), dir: dir, grace: time.Hour, log: zerolog.Nop(),
		flags: &sourceFlags{
			headers: []string{fmt.Sprintf("@/dev/fd/%d", r.Fd())}, pipeline: "auto", maxFileSize: defaultMaxFileSize,
			connections: mirror.DefaultConnections,
		},
		doing: func(format string, args ...any) {
			if held != nil && fmt.Sprintf(format, args...) == "waiting for the store "+dir+", which is in use" {
				waited = true
				if err := held.Close(); err != nil {
					t.Error(err)
				}
				held = nil
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer session.close()
	if !waited {
		t.Error("the store was not waited for")
	}
	if _, err := session.client.List(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

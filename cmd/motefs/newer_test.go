package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestNewerStore has a store of a later version: one line says so, with a status of
// its own.
func TestNewerStore(t *testing.T) {
	s := serveTest(t, serve.Options{}, synthetic(5))
	store := filepath.Join(t.TempDir(), "store")
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	shell(t, `sed -i 's/"version":[0-9]*/"version":999/' "$1/FORMAT"`, store)
	for _, args := range [][]string{{"verify", "--store", store}, {"mirror", "--store", store, s.URL()}} {
		p := finish(t, exitNewer, args...)
		if text := p.Stderr.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "later motefs") {
			t.Errorf("it says %q", text)
		}
	}
}

package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/rs/zerolog"
)

// silent has who asks for the status of a store be connected, and answers nothing.
func silent(t *testing.T, dir string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, status.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

// shortDir is a directory with a path that is short enough for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "motefs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestFailuresOfWhoHangs: a process that does not answer is not waited for for ever.
func TestFailuresOfWhoHangs(t *testing.T) {
	dir := shortDir(t)
	silent(t, dir)
	var out bytes.Buffer
	err := newApp(&out, &out).failures(t.Context(), dir, false, time.Millisecond)
	if !errors.Is(err, cache.ErrInUse) || !strings.Contains(err.Error(), "does not answer") || out.Len() > 0 {
		t.Errorf("%v, and printed is %q", err, &out)
	}
}

// TestStatusOfTheOthers: one process that answers nothing of use hides no other.
func TestStatusOfTheOthers(t *testing.T) {
	place := shortDir(t)
	t.Setenv("XDG_CACHE_HOME", place)
	root, err := storeRoot()
	if err != nil {
		t.Fatal(err)
	}
	store := func(name string) *cache.Store {
		s, err := cache.Open(cache.Options{Dir: filepath.Join(root, name), Origin: "http://" + name + ".test", FlushEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	bad, good := store("a"), store("b")
	l, err := net.Listen("unix", filepath.Join(bad.Dir(), status.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	broken := &http.Server{Handler: http.NotFoundHandler()}
	go broken.Serve(l)
	t.Cleanup(func() { broken.Close() })
	served := serveStatus(status.Options{Command: "mirror", Store: good}, zerolog.Nop())
	t.Cleanup(func() {
		if err := served.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range []*statusFlags{{}, {json: true}} {
		var out bytes.Buffer
		err = newApp(&out, &out).status(t.Context(), f, "")
		if !errors.Is(err, status.ErrSocket) || !strings.Contains(err.Error(), "http://a.test") || strings.Contains(err.Error(), "b.test") {
			t.Errorf("%v", err)
		}
		if !strings.Contains(out.String(), "http://b.test") || strings.Contains(out.String(), "a.test") {
			t.Errorf("%s", &out)
		}
	}
}

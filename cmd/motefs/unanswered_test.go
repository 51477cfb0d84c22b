package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
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

package fs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/rs/zerolog"
)

// testLog fails the test at a warning that it did not expect.
type testLog struct {
	mu struct {
		sync.Mutex
		lines    []string
		expected []string
	}
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.lines = append(l.mu.lines, string(p))
	return len(p), nil
}

// expect allows, and demands, lines with this text.
func (l *testLog) expect(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.expected = append(l.mu.expected, text)
}

func (l *testLog) check(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
lines:
	for _, line := range l.mu.lines {
		for _, text := range l.mu.expected {
			if strings.Contains(line, text) {
				seen[text] = true
				continue lines
			}
		}
		if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
			t.Errorf("unexpected log line: %s", line)
		}
	}
	for _, text := range l.mu.expected {
		if !seen[text] {
			t.Errorf("no log line has %q; there are %q", text, l.mu.lines)
		}
	}
}

// rig is a mounted fakeStore.
type rig struct {
	*testing.T
	store    *fakeStore
	contents *fakeContents
	log      *testLog
	m        *Mount
	dir      string
	close    func() // unmounts, and checks that nothing is left; once
}

// newRig mounts. origin may be nil; change may change the options.
func newRig(t *testing.T, s *fakeStore, origin func(context.Context, string) (string, error), change ...func(*Options)) *rig {
	t.Helper()
	fusetest.Need(t)
	r := &rig{T: t, store: s, contents: newFakeContents(s, origin), log: &testLog{}, dir: t.TempDir()}
	before := openFiles(t)
	log := zerolog.New(r.log)
	o := Options{Mountpoint: r.dir, Store: s, Contents: r.contents, Log: &log, Hooks: Hooks{Panic: func(v any, stack []byte) {
		t.Errorf("panic: %v\n%s", v, stack)
	}}}
	for _, c := range change {
		c(&o)
	}
	m, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.m = m
	r.close = sync.OnceFunc(func() {
		if err := m.Close(); err != nil && !errors.Is(err, ErrBusy) {
			t.Errorf("close: %v", err)
		}
		if at, err := mountAt(r.dir); err != nil || at != nil {
			t.Errorf("still mounted: %v, %v", at, err)
		}
		eventually.Ended(t)
		if after := openFiles(t); after > before {
			t.Errorf("%d open files, %d before", after, before)
		}
		r.log.check(t)
	})
	t.Cleanup(r.close)
	return r
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range fds {
		if path, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && path == devFuse {
			n++
		}
	}
	return n
}

func (r *rig) path(elem ...string) string { return filepath.Join(append([]string{r.dir}, elem...)...) }

// run runs a program to its end and returns what it printed, errors included.
func (r *rig) run(name string, args ...string) (string, error) {
	r.Helper()
	return process.Run(r, name, args...)
}

// ok runs a program that must succeed.
func (r *rig) ok(name string, args ...string) string {
	r.Helper()
	return process.MustRun(r, name, args...)
}

// fails runs a program that must fail and say want.
func (r *rig) fails(want, name string, args ...string) {
	r.Helper()
	process.MustFail(r, want, name, args...)
}

// gate is an origin where files hang until they are released.
type gate struct {
	asked   chan string
	release chan string
	ended   chan error // why a wait ended that was not released
}

func newGate() *gate {
	return &gate{asked: make(chan string, 64), release: make(chan string), ended: make(chan error, 64)}
}

func (g *gate) fetch(ctx context.Context, name string) (string, error) {
	g.asked <- name
	select {
	case content := <-g.release:
		return content, nil
	case <-ctx.Done():
		g.ended <- context.Cause(ctx)
		return "", ctx.Err()
	}
}

//go:build unix

package folder

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/passthrough"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// showVar has this program be a filesystem.
const showVar = "MOTEFS_TEST_SHOW"

// TestFilesystemHangs has the filesystem not answer: each method and reader returns once its context
// ends, however many hang, and all is well once it answers.
func TestFilesystemHangs(t *testing.T) {
	fusetest.Need(t)
	dir, at := t.TempDir(), t.TempDir()
	big := bytes.Repeat([]byte("motefs"), 1<<20)
	plain := open(t, dir)
	if err := errors.Join(plain.Put(t.Context(), "a/big", objects.BytesBody(big)), plain.Put(t.Context(), "a/b", objects.BytesBody([]byte("text")))); err != nil {
		t.Fatal(err)
	}
	shown := passthrough.Start(t, showVar, "filesystem", dir, at)
	s := open(t, at)
	const within = 2 * time.Second // long enough for a call to begin on a slow machine
	soon := func() context.Context {
		ctx, stop := context.WithTimeout(t.Context(), within)
		t.Cleanup(stop)
		return ctx
	}
	readerCtx, leave := context.WithCancel(t.Context())
	defer leave()
	r, _, err := s.Get(readerCtx, "a/big", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	start := make([]byte, 1000)
	if _, err := io.ReadFull(r, start); err != nil || !bytes.Equal(start, big[:1000]) {
		t.Fatal(err)
	}

	shown.Hang()
	time.AfterFunc(50*time.Millisecond, leave)
	rest, err := io.ReadAll(r)
	if !errors.Is(err, context.Canceled) || !bytes.HasPrefix(big[1000:], rest) {
		t.Errorf("a reader: %d bytes, %v", len(rest), err)
	}
	if err := r.Close(); err != nil && !errors.Is(err, objects.ErrAway) {
		t.Error(err)
	}
	body := objects.BytesBody([]byte("new"))
	all := map[string]func(context.Context) error{
		"get":    func(ctx context.Context) error { _, _, err := s.Get(ctx, "a/b", 0, -1); return err },
		"put":    func(ctx context.Context) error { return s.Put(ctx, "a/put", body) },
		"create": func(ctx context.Context) error { return s.Create(ctx, "a/create", body) },
		"delete": func(ctx context.Context) error { return s.Delete(ctx, "a/none") },
		"list":   func(ctx context.Context) error { _, err := objectstest.List(ctx, s, "a/", ""); return err },
		"open":   func(ctx context.Context) error { _, err := OpenContext(ctx, at, true); return err },
	}
	var calls sync.WaitGroup
	for what, do := range all {
		calls.Go(func() {
			if err := do(soon()); !errors.Is(err, context.DeadlineExceeded) || !mirror.Temporary(err) || !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	calls.Wait()
	// Who waits for ever hears of it too.
	delete(all, "open")
	s.hangsAfter = 50 * time.Millisecond
	for what, do := range all {
		if err := do(t.Context()); errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, objects.ErrAway) {
			t.Errorf("%s, for ever: %v", what, err)
		}
	}
	s.hangsAfter = hangsAfter
	var readers sync.WaitGroup
	for range 2 * maxCalls {
		readers.Go(func() {
			if _, _, err := s.Get(soon(), "a/b", 0, -1); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	readers.Wait()

	shown.Answer()
	if text, _, err := objectstest.Get(t.Context(), s, "a/b", 0, -1); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if err := s.Put(t.Context(), "a/again", body); err != nil {
		t.Error(err)
	}
	// What was given up may have been done or not, but by half.
	for _, name := range []string{"a/put", "a/create"} {
		if text, _, err := objectstest.Get(t.Context(), s, name, 0, -1); !errors.Is(err, objects.ErrNotFound) && (err != nil || string(text) != "new") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if err := s.calls.Acquire(t.Context(), maxCalls); err != nil {
		t.Error(err)
	}
}

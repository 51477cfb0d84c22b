package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// TestSlowListing lists a folder of many objects on a filesystem that takes long for each piece, and
// longer than hangsAfter for all: that is not taken for one that hangs, and it ends with its context in
// the middle. One piece that takes as long is.
func TestSlowListing(t *testing.T) {
	dir := t.TempDir()
	const files = 5*readAtOnce + 3
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		var takes atomic.Int64
		takes.Store(int64(hangsAfter * 9 / 10))
		s.readDir = func(f *os.File, n int) ([]iofs.DirEntry, error) {
			time.Sleep(time.Duration(takes.Load()))
			return f.ReadDir(n)
		}
		start := time.Now()
		infos, err := objectstest.List(t.Context(), s, "", "")
		if took := time.Since(start); err != nil || len(infos) != files || took < 5*hangsAfter {
			t.Errorf("%d listed after %v: %v", len(infos), took, err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 2*hangsAfter)
		defer stop()
		if _, err := objectstest.List(ctx, s, "", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("once its context has ended: %v", err)
		}
		takes.Store(int64(2 * hangsAfter))
		start = time.Now()
		if _, err := objectstest.List(t.Context(), s, "", ""); !errors.Is(err, ErrHangs) || time.Since(start) > hangsAfter+grace {
			t.Errorf("of one that hangs, after %v: %v", time.Since(start), err)
		}
		synctest.Wait()
		time.Sleep(2 * hangsAfter) // what was left to itself ends
		if !s.calls.TryAcquire(maxCalls) {
			t.Error("calls are still under way")
		}
	})
}

// TestDeleteGivenUp gives up a Delete that hangs before it removes anything: once the filesystem answers,
// the object is still there, as another may have written it again.
func TestDeleteGivenUp(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Put(t.Context(), "a/b", objects.BytesBody([]byte("text"))); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.remove(ctx, "a/b"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if text, _, err := objectstest.Get(t.Context(), s, "a/b", 0, -1); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestUnfinishedMany has more unfinished files than are looked at before the first write.
func TestUnfinishedMany(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, unfinished), 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * staleAfter)
	for i := range sweepMost + 10 {
		at := filepath.Join(dir, unfinished, fmt.Sprint(i))
		if err := errors.Join(os.WriteFile(at, nil, 0o600), os.Chtimes(at, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{10, 0} {
		if err := open(t, dir).Put(t.Context(), "a", objects.BytesBody(nil)); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(filepath.Join(dir, unfinished)); err != nil || len(left) != want {
			t.Errorf("%d are left, not %d: %v", len(left), want, err)
		}
	}
}

// TestWaits has a call take long: that is said before it ends, and never after it.
func TestWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		var told atomic.Pointer[time.Duration]
		start := time.Now()
		s.Waits(func(write bool, since time.Time, why error) {
			at := time.Since(start)
			if told.Swap(&at) != nil || write || !since.Equal(start) || !errors.Is(why, ErrHangs) {
				t.Errorf("it says after %v that it waits since %v: %v, %v", at, since, write, why)
			}
		})
		s.readDir = func(*os.File, int) ([]iofs.DirEntry, error) {
			time.Sleep(10 * time.Second)
			return nil, io.EOF
		}
		for range 2 {
			if _, err := objectstest.List(t.Context(), s, "", ""); err != nil {
				t.Error(err)
			}
			if at := told.Load(); at == nil || *at != slowAfter {
				t.Errorf("it is said after %v", at)
			}
			s.readDir = (*os.File).ReadDir
		}
		time.Sleep(time.Minute)
	})
}

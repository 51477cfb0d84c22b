package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLock has two want one file, and another that is not there.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOCK")
	if _, err := Lock(path, false); !errors.Is(err, os.ErrNotExist) && !errors.Is(err, ErrHeld) {
		t.Errorf("one that is not there: %v", err)
	}
	first, err := Lock(path, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, create := range []bool{true, false} {
		if _, err := Lock(path, create); !errors.Is(err, ErrHeld) {
			t.Errorf("one that another has: %v", err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

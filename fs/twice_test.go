package fs

import (
	"errors"
	"testing"

	"github.com/motefs/motefs/cache"
)

// TestTwice has a failed READ answered once more, to the thread that it was sent for.
func TestTwice(t *testing.T) {
	var tw twice
	failed := errors.New("failed")
	tw.add(20, 1, failed)
	tw.add(20, 1, failed)
	if err := tw.take(20, 2); err != nil {
		t.Errorf("another thread: %v", err)
	}
	if err := tw.take(21, 1); err != nil {
		t.Errorf("another file: %v", err)
	}
	if err := tw.take(20, 1); !errors.Is(err, failed) {
		t.Errorf("the same again: %v", err)
	}
	if err := tw.take(20, 1); err != nil {
		t.Errorf("a third time: %v", err)
	}
	for ino := range cache.Inode(10 * twiceKept) {
		tw.add(ino, 1, failed)
	}
	if n := len(tw.mu.failed); n != twiceKept || tw.take(0, 1) != nil || tw.take(10*twiceKept-1, 1) == nil {
		t.Errorf("%d are kept", n)
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/motefs/motefs/mirror/segments"
)

// TestExitStatuses tells the store's disk from those of other files, and has a mirror in segments be like a store.
func TestExitStatuses(t *testing.T) {
	full := &os.PathError{Op: "open", Path: "/x", Err: syscall.EROFS}
	for _, tc := range []struct {
		err  error
		want int
	}{
		{full, exitDisk},
		{errors.Join(errOrigin, syscall.ENOSPC), exitDisk},
		{usagef("--log-file: %w", full), exitUsage},
		{textfileError(full), exitError},
		{fmt.Errorf("file:///dir: %w", segments.ErrOtherOrigin), exitStore},
		{fmt.Errorf("file:///dir cannot be mounted: %w", segments.ErrNone), exitStore},
		{errors.Join(errFailedFiles, textfileError(full)), exitFailed},
	} {
		if got := exitStatus(tc.err); got != tc.want {
			t.Errorf("%v is %d, want %d", tc.err, got, tc.want)
		}
	}
}

package main

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestDiskStatus tells the store's disk from those of other files.
func TestDiskStatus(t *testing.T) {
	full := &os.PathError{Op: "open", Path: "/x", Err: syscall.EROFS}
	for _, tc := range []struct {
		err  error
		want int
	}{
		{full, exitDisk},
		{errors.Join(errOrigin, syscall.ENOSPC), exitDisk},
		{usagef("--log-file: %w", full), exitUsage},
		{textfileError(full), exitError},
		{errors.Join(errFailedFiles, textfileError(full)), exitFailed},
	} {
		if got := exitStatus(tc.err); got != tc.want {
			t.Errorf("%v is %d, want %d", tc.err, got, tc.want)
		}
	}
}

package main

import (
	"syscall"

	"github.com/rs/zerolog"
)

// enoughDescriptors is how many files a process has to be allowed to have open so
// that the tables of a large store, and connections for a mirror and its readers, find
// their places.
const enoughDescriptors = 256

// warnOfDescriptors says it where there are too few descriptors. Go has raised the
// limit as far as it may be.
func warnOfDescriptors(log zerolog.Logger) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= enoughDescriptors {
		return
	}
	log.Warn().Uint64("limit", limit.Cur).Int("enough", enoughDescriptors).
		Msg("few files may be open at a time (ulimit -n): what finds no place waits, and readers may get errors")
}

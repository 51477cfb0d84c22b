package fs

import (
	"os"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// leaked keeps what TestPlanted leaks from being collected.
var leaked any

// TestPlanted mounts, and leaves behind what TestCheckersBite tells it to.
func TestPlanted(t *testing.T) {
	fault := os.Getenv(process.Plant)
	if fault == "" {
		return // it is there for TestCheckersBite
	}
	s := newFakeStore()
	s.file(1, "a", "content")
	r := newRig(t, s, nil)
	r.ok("cat", r.path("a"))
	switch fault {
	case "goroutine":
		go func() { select {} }()
	case "descriptor":
		f, err := os.Open(devFuse)
		if err != nil {
			t.Fatal(err)
		}
		leaked = f
	}
}

// TestCheckersBite has the rig notice what a test leaves behind.
func TestCheckersBite(t *testing.T) {
	fusetest.Need(t)
	process.Bites(t, "nothing")
	process.Bites(t, "goroutine", "found unexpected goroutines")
	process.Bites(t, "descriptor", "open files")
}

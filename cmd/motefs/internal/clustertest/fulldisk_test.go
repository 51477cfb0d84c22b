package clustertest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/process"
)

// TestWorkerWithoutRoom fills the disk of a worker. It hands back what it is at, and the others go on;
// with room again it takes part again.
func TestWorkerWithoutRoom(t *testing.T) {
	t.Parallel()
	disk := process.SmallDisk(t, 24)
	r := newWorld(t).begin(t, 1500, 200*time.Millisecond, 0)
	r.apart = true
	lister := r.join()
	r.until("a lister", func() bool { return r.lister() == lister })
	others := []*member{lister, r.join()}
	// The others wait, but for a few segments while there is no room.
	be := func(t trouble) {
		for _, o := range others {
			o.origin.be(t)
		}
	}
	be(held)
	m := r.join("--store", filepath.Join(disk, "store"), "--reserve", "0")
	fetched := func() int { return len(fetches.FindAllString(m.Stderr.String(), -1)) }
	r.until("a segment of each", func() bool { return fetched() > 0 })

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	const back = "what was worked at is handed back"
	r.until("what it was at to be handed back", func() bool { return strings.Contains(m.Stderr.String(), back) || m.Ended() })
	before := r.count("commits")
	be(trouble{})
	r.committed(before + 4)
	be(held)
	if m.Ended() || r.count("commits") >= r.segments() {
		t.Fatal("it ends before there is room again")
	}
	must(t, os.Remove(filler))
	const room = "the local disk has room again"
	r.until("room again", func() bool { return strings.Contains(m.Stderr.String(), room) || m.Ended() })
	took := fetched()
	r.until("it to take part again", func() bool { return fetched() > took || m.Ended() })
	if fetched() == took {
		t.Error("with room again it does not take part")
	}
	be(trouble{})
	r.takes(0, 0)
	r.finish()
	t.Logf("%d segments are fetched again", r.check())
}

// fill takes all that is free on a disk, for a file.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		_, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 4
		case err != nil:
			t.Fatal(err)
		}
	}
}

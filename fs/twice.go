//go:build linux

package fs

import (
	"slices"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
)

const (
	// twiceKept bounds the failed READs that are remembered, and twiceFor is for how long.
	twiceKept = 64
	twiceFor  = time.Second
)

// twice are the READs that waited for the origin and failed a moment ago. The kernel reads
// ahead, and where that fails it sends a READ once more for the thread that waits: without
// this, an origin that hangs would be waited for twice. Each is answered once, and only to
// the thread that the first was sent for, so that the next try of a program is a new one.
type twice struct {
	mu struct {
		sync.Mutex
		failed []failedRead // the latest last
	}
}

type failedRead struct {
	ino cache.Inode
	tid uint32
	at  time.Time
	err error
}

// add remembers a READ that failed, in place of one before it.
func (t *twice) add(ino cache.Inode, tid uint32, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.failed = slices.DeleteFunc(t.mu.failed, func(r failedRead) bool { return r.ino == ino && r.tid == tid })
	if len(t.mu.failed) == twiceKept {
		t.mu.failed = slices.Delete(t.mu.failed, 0, 1)
	}
	t.mu.failed = append(t.mu.failed, failedRead{ino, tid, time.Now(), err})
}

// take returns how that READ failed a moment ago, and forgets it; nil where it did not.
func (t *twice) take(ino cache.Inode, tid uint32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, r := range t.mu.failed {
		if r.ino != ino || r.tid != tid {
			continue
		}
		t.mu.failed = slices.Delete(t.mu.failed, i, i+1)
		if time.Since(r.at) < twiceFor {
			return r.err
		}
		return nil
	}
	return nil
}

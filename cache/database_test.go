package cache

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// database is how the database is now, however long a busy machine takes for the answer.
func database(t *testing.T, s *Store) Database {
	t.Helper()
	answered := func() {
		s.database.mu.Lock()
		asking := s.database.mu.asking
		s.database.mu.Unlock()
		if asking != nil {
			<-asking
		}
	}
	answered() // what was asked before
	s.Database()
	answered()
	s.database.mu.Lock()
	defer s.database.mu.Unlock()
	if !s.database.mu.ok {
		t.Fatal("the database does not say how it is")
	}
	return s.database.mu.known
}

// TestDatabase watches what a database says as it is written to, flushed and read.
func TestDatabase(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	before := database(t, s)
	for i := range 20 {
		put(t, plan(t, s, fmt.Sprintf("a%d", i)))
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	d := database(t, s)
	tables, size := int64(0), int64(0)
	for _, l := range d.Levels {
		tables, size = tables+l.Tables, size+l.Bytes
	}
	if d.Flushes <= before.Flushes || tables == 0 || size == 0 || d.DiskBytes < uint64(size) || d.MemTableBytes == 0 {
		t.Errorf("after a flush: %+v", d)
	}
	if n, took := s.Stalls(); n != 0 || took != 0 {
		t.Errorf("%d stalls of %v in a store of 20 files", n, took)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if last, ok := s.Database(); !ok || last != d {
		t.Errorf("a closed store says %+v, %v", last, ok)
	}
}

// TestStalls has memory for one table alone, so that a commit waits for a flush that a
// full disk holds up. The stall is counted while it lasts.
func TestStalls(t *testing.T) {
	disk := newFullDisk()
	o := Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1, Reserve: -1, pause: 10 * time.Millisecond}
	o.tune = func(o *pebble.Options) { o.MemTableSize, o.MemTableStopWritesThreshold = 64<<10, 2 }
	s := open(t, o)
	disk.fill(syscall.ENOSPC)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range 100 {
			page := plan(t, s, fmt.Sprintf("a%d", i))
			if err := page.Put(0, make([]byte, 8<<10), 0, nil); err != nil {
				t.Error(err)
			}
			commit(t, page)
		}
	}()
	stalled := func() bool { n, took := s.Stalls(); return n > 0 && took > 0 }
	for !stalled() {
		select {
		case <-written:
			t.Fatal("nothing had to wait")
		case <-time.After(time.Millisecond):
		}
	}
	// Whatever the database does meanwhile, nobody waits for long who asks how it is.
	s.Database()
	disk.fill(0)
	<-written
	n, took := s.Stalls()
	if again, later := s.Stalls(); again != n || later != took {
		t.Errorf("a stall goes on that is over: %d of %v, then %d of %v", n, took, again, later)
	}
	if database(t, s).Flushes == 0 {
		t.Error("no flush")
	}
}

// TestDatabaseOfBrokenStore is asked for nothing, as it may hang.
func TestDatabaseOfBrokenStore(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	d := database(t, s)
	s.fail(syscall.EIO)
	if last, ok := s.Database(); !ok || last != d {
		t.Errorf("a broken store says %+v, %v", last, ok)
	}
	s.stop()
	s.wg.Wait()
	if err := s.db.Close(); err != nil {
		t.Error(err)
	}
	if err := s.lock.Close(); err != nil {
		t.Error(err)
	}
}

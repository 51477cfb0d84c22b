package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// sweepMost bounds the sweep, should its work never come to pass unharmed.
const sweepMost = 2000

// sweepWork fills a store with pages of files, some of them blobs; then it opens it again,
// as another process does, and reads it; and then it refreshes it.
func sweepWork(fs vfs.FS) error {
	for _, part := range []func(s *Store) error{sweepFill, sweepRead, sweepRefresh} {
		s, err := Open(Options{Dir: "/store", Origin: testOrigin, FS: fs, FlushEvery: -1, InlineLimit: 100, pause: time.Millisecond})
		if err != nil {
			return err
		}
		if err := errors.Join(part(s), s.Close()); err != nil {
			return err
		}
	}
	return nil
}

func sweepFill(s *Store) error {
	pl, err := s.NewPlanner()
	if err != nil {
		return err
	}
	for i := range 3 {
		if err := sweepPage(s, pl, i); err != nil {
			return err
		}
		if err := s.Flush(context.Background()); err != nil {
			return err
		}
	}
	return nil
}

func sweepRead(s *Store) error {
	e, err := find(s, "d0/big")
	if err != nil {
		return err
	}
	buf := make([]byte, 1000)
	if n, err := s.ReadAt(e.Inode, buf, 0); err != nil || n != 500 {
		return fmt.Errorf("read %d bytes of the blob: %w", n, err)
	}
	if p := s.Progress(); !p.Complete() {
		return fmt.Errorf("opened again, it is not complete: %+v", p)
	}
	return s.ReadDir(RootInode, 0, func(DirEntry) bool { return true })
}

// sweepRefresh compares all contents with those of an origin that has another of two files.
func sweepRefresh(s *Store) error {
	ctx := context.Background()
	r, err := s.Refresh(ctx, RefreshOptions{Contents: true})
	if err != nil {
		return err
	}
	if _, walking := r.Walking(); walking {
		var all []string
		for i := range 3 {
			all = append(all, sweepNames(i)...)
		}
		if _, err := r.Match(names(all...)); err != nil {
			return err
		}
		if err := r.Advance(Mark{Listing: true, ListingComplete: true, Names: uint64(len(all))}); err != nil {
			return err
		}
	}
	if err := r.BeginContents(); err != nil {
		return err
	}
	for from := Inode(0); from < r.Limit(); {
		page, next, err := r.Unreviewed(from, 1000)
		if err != nil {
			return err
		}
		from = next
		if page == nil {
			continue
		}
		if err := sweepReview(s, page); err != nil {
			return err
		}
	}
	return errors.Join(r.Save(), s.Flush(ctx), r.Finish())
}

func sweepReview(s *Store, page *Page) (err error) {
	defer func() { err = errors.Join(err, page.Close()) }()
	if err := page.Load(); err != nil {
		return err
	}
	for k := range page.Len() {
		if !page.Open(k) {
			continue
		}
		switch page.Name(k) {
		case "f0":
			err = page.Put(k, []byte("another"), 0, nil)
		case "d1/big":
			var w *BlobWriter
			if w, err = s.NewBlob(); err != nil {
				return err
			}
			if _, err := w.Write([]byte(strings.Repeat("y", 500))); err != nil {
				return errors.Join(err, w.Abort())
			}
			err = page.PutBlob(k, w, 0, nil)
		default:
			err = page.Same(k)
		}
		if err != nil {
			return err
		}
	}
	return page.Commit()
}

func sweepNames(i int) []string {
	return []string{fmt.Sprintf("d%d/a", i), fmt.Sprintf("d%d/big", i), fmt.Sprintf("d%d/gone", i), fmt.Sprintf("f%d", i)}
}

// sweepKinds are the kinds of files of a store, each of which is to fail.
var sweepKinds = map[string]*regexp.Regexp{
	"format": regexp.MustCompile(`/FORMAT$`), "new format": regexp.MustCompile(`/FORMAT\.tmp$`),
	"lock": regexp.MustCompile(`/LOCK$`), "owner": regexp.MustCompile(`/OWNER$`), "directory": regexp.MustCompile(`^/store$`),
	"table": regexp.MustCompile(`/db/\d+\.sst$`), "manifest": regexp.MustCompile(`/db/MANIFEST-`),
	"marker": regexp.MustCompile(`/db/marker\.`), "options": regexp.MustCompile(`/db/OPTIONS-`), "database": regexp.MustCompile(`/db$`),
	"blob written": regexp.MustCompile(`/blobs/tmp/[0-9a-f]{16}$`), "blob": regexp.MustCompile(`/blobs/[0-9a-f]{2}/[0-9a-f]{16}$`),
	"shard": regexp.MustCompile(`/blobs/[0-9a-f]{2}$`), "blobs": regexp.MustCompile(`/blobs(/tmp)?$`),
}

func sweepPage(s *Store, pl *Planner, i int) (err error) {
	page, err := pl.Plan(names(sweepNames(i)...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	if err := page.Load(); err != nil {
		return err
	}
	for _, k := range []int{0, 3} {
		if page.Open(k) {
			if err := page.Put(k, body(page.Name(k)), 0, nil); err != nil {
				return err
			}
		}
	}
	if page.Open(1) {
		w, err := s.NewBlob()
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte(strings.Repeat("x", 500))); err != nil {
			return errors.Join(err, w.Abort())
		}
		if err := page.PutBlob(1, w, 0, nil); err != nil {
			return err
		}
	}
	if page.Open(2) {
		if err := page.Gone(2); err != nil {
			return err
		}
	}
	if err := page.Commit(); err != nil {
		return err
	}
	return s.Advance(Mark{Listing: true, Marker: fmt.Sprint(i), ListingComplete: i == 2, Listed: page.End(), Settled: page.End()})
}

// TestErrorSweep fails the i-th operation on the disk, for each i: nothing
// panics, a store that says nothing of it has everything, and what is left is
// sound and can be gone on with.
func TestErrorSweep(t *testing.T) {
	var failed struct {
		sync.Mutex
		kinds map[string]int
	}
	failed.kinds = map[string]int{}
	for i := rand.Int64N(sweepStep); ; i += sweepStep {
		if i >= sweepMost {
			t.Fatal("there is no end to the operations")
		}
		disk := vfs.NewCrashableMem()
		var ops atomic.Int64
		var hit atomic.Pointer[string]
		err := sweepWork(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if ops.Add(1)-1 != i {
				return nil
			}
			what := fmt.Sprintf("operation %d, kind %d on %s", i, op.Kind, op.Path)
			hit.Store(&what)
			failed.Lock()
			defer failed.Unlock()
			for kind, path := range sweepKinds {
				if path.MatchString(op.Path) {
					failed.kinds[kind]++
				}
			}
			return errorfs.ErrInjected
		})))
		what := hit.Load()
		if what == nil {
			if err != nil {
				t.Errorf("without a fault: %v", err)
			}
			t.Logf("%d operations failed in turn: %v", i, failed.kinds)
			for kind := range sweepKinds {
				if failed.kinds[kind] == 0 && sweepStep == 1 {
					t.Errorf("no operation on a %s has failed", kind)
				}
			}
			return
		}
		// As the next process finds it: a broken store is never let go of.
		sweepCheck(t, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}), *what, err)
		if t.Failed() {
			return
		}
	}
}

// TestFullAtAnyOperation has the disk be full from the i-th operation on, for each
// i, until it has refused some writes: whoever works either waits, or gets an error
// that says so, and what is left is sound.
func TestFullAtAnyOperation(t *testing.T) {
	const refusals = 3
	for i := rand.Int64N(sweepStep); ; i += sweepStep {
		if i >= sweepMost {
			t.Fatal("there is no end to the operations")
		}
		disk := vfs.NewCrashableMem()
		var ops, refused atomic.Int64
		err := sweepWork(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if ops.Add(1) > i && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpRemove && refused.Add(1) <= refusals {
				return syscall.ENOSPC
			}
			return nil
		})))
		if err != nil && !NoRoom(err) {
			t.Errorf("operation %d: %v", i, err)
		}
		sweepCheck(t, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}), fmt.Sprintf("full at operation %d", i), err)
		if ops.Load() <= i || t.Failed() {
			t.Logf("%d operations met a full disk in turn", i)
			return
		}
	}
}

// sweepCheck opens what is left on a healthy disk.
func sweepCheck(t *testing.T, disk vfs.FS, what string, err error) {
	t.Helper()
	s, openErr := Open(Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1, InlineLimit: 100})
	if openErr != nil {
		t.Fatalf("%s: gave %v, and then: %v", what, err, openErr)
	}
	if _, err := s.Verify(context.Background(), func(p string) { t.Errorf("%s: verify: %s", what, p) }); err != nil {
		t.Fatal(err)
	}
	if p := s.Progress(); err == nil && (!p.Complete() || p.Files != 12) {
		t.Errorf("%s: no error, and not everything is there: %+v", what, p)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sweepWork(disk); err != nil {
		t.Fatalf("%s: going on: %v", what, err)
	}
	s = open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
	verify(t, s)
	if p := s.Progress(); !p.Complete() || p.Files != 12 || p.Fetched != 9 {
		t.Errorf("%s: after going on: %+v", what, p)
	}
}

// TestTwoOutcomesOfACommit has each commit fail in both ways in which a store
// without a log can: it is not there after a crash, or it is, though its writer
// was never told. What comes after must end in the same store.
func TestTwoOutcomesOfACommit(t *testing.T) {
	for _, present := range []bool{false, true} {
		for at := range 4 { // the pages, and after the last
			t.Run(fmt.Sprintf("page %d, present %v", at, present), func(t *testing.T) {
				disk := vfs.NewCrashableMem()
				s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1, InlineLimit: 100})
				pl, err := s.NewPlanner()
				if err != nil {
					t.Fatal(err)
				}
				for i := range min(at+1, 3) {
					if i == at && !present {
						if err := s.Flush(context.Background()); err != nil {
							t.Fatal(err)
						}
					}
					if err := sweepPage(s, pl, i); err != nil {
						t.Fatal(err)
					}
				}
				if present {
					if err := s.Flush(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
				sweepCheck(t, clone, "crash", errors.New("crashed"))
			})
		}
	}
}

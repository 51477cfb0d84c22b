package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// reader opens, reads and closes files, each in every pass.
type reader struct {
	Dir     string
	Names   string // a file of paths below it, a NUL after each
	Threads int
	Passes  int
	Buffer  int   // how much is asked for at a time; less than that is a file's end
	Check   int64 // compare some, of that size, with the synthetic origin; 0: none
}

func (r *reader) run() (p passes, err error) {
	text, err := os.ReadFile(r.Names)
	if err != nil {
		return p, err
	}
	paths := bytes.SplitAfter(text, []byte{0})
	paths = paths[:len(paths)-1] // what is behind the last NUL
	dir, err := unix.Open(r.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return p, fmt.Errorf("open %s: %w", r.Dir, err)
	}
	defer unix.Close(dir)
	// A raw system call keeps its processor: there has to be one for each thread.
	runtime.GOMAXPROCS(r.Threads + 1)
	p, err = repeat(r.Passes, func() (int64, int64, error) { return r.readAll(dir, paths) })
	if err != nil || r.Check == 0 {
		return p, err
	}
	// A thousand will do. Names do not depend on how many files there are.
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 1 << 40, BodySize: r.Check})
	for _, path := range paths[:min(len(paths), 1000)] {
		i, _ := source.Index(path[:len(path)-1])
		if err := checkFile(r.Dir, source, i); err != nil {
			return p, err
		}
	}
	return p, nil
}

// checkFile compares a file with what the origin serves.
func checkFile(dir string, source *serve.Synthetic, i int64) error {
	name := source.Name(i)
	body, err := os.ReadFile(filepath.Join(dir, name))
	if err == nil && !bytes.Equal(body, source.Body(i)) {
		err = fmt.Errorf("%s holds other bytes than the origin serves", name)
	}
	return err
}

// readAll reads every file once, each thread its own share.
func (r *reader) readAll(dir int, paths [][]byte) (count, size int64, err error) {
	var group errgroup.Group
	var sum atomic.Int64
	for t := range r.Threads {
		group.Go(func() error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			buf := make([]byte, r.Buffer)
			for k := t; k < len(paths); k += r.Threads {
				n, errno := readOne(dir, paths[k], buf)
				if errno != 0 {
					return fmt.Errorf("read %s: %w", unix.ByteSliceToString(paths[k]), errno)
				}
				sum.Add(n)
			}
			return nil
		})
	}
	err = group.Wait()
	return int64(len(paths)), sum.Load(), err
}

// readOne is the three system calls, without the scheduler's part in them. The
// parent sets asyncpreemptoff, so that no signal of the runtime ends one early.
func readOne(dir int, path, buf []byte) (size int64, errno unix.Errno) {
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&path[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	for n := uintptr(len(buf)); n == uintptr(len(buf)) && errno == 0; size += int64(n) {
		n, _, errno = unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0) // nothing was written
	return size, errno
}

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"

	"github.com/motefs/motefs/mirror/origin/serve"
	"golang.org/x/sys/unix"
)

// readBuffer holds a small file with room to spare, so that one read sees its end.
const readBuffer = 64 << 10

// checkedFiles bounds the files that are compared with the origin's, after the
// time ended.
const checkedFiles = 1000

// pathBlock is paths, each with the NUL that system calls want after it.
type pathBlock struct {
	text []byte
	at   []int
}

func readPaths(path string) (pathBlock, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return pathBlock{}, err
	}
	p := pathBlock{text: text}
	for i := 0; i < len(text); {
		n := bytes.IndexByte(text[i:], 0)
		if n <= 0 {
			return p, fmt.Errorf("%s does not hold names that end with NUL", path)
		}
		p.at = append(p.at, i)
		i += n + 1
	}
	return p, nil
}

// helpRead opens, reads and closes files on so many threads.
func helpRead(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("read", flag.ContinueOnError)
	names := flags.String("names", "", "`file` of paths below the directory, a NUL after each")
	threads := flags.Int("threads", readThreads, "how many `threads` read")
	count := flags.Int("passes", 2, "how often each file is read")
	size := flags.Int64("size", -1, "the `bytes` of a file, if all files are of one synthetic origin")
	check := flags.Bool("check", false, "compare some with the synthetic origin, after the time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *threads < 1 {
		return errors.New("give one directory, and at least one thread")
	}
	paths, err := readPaths(*names)
	if err != nil {
		return err
	}
	dir, err := unix.Open(flags.Arg(0), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", flags.Arg(0), err)
	}
	defer unix.Close(dir)
	// A raw system call keeps its processor: there has to be one for each thread.
	runtime.GOMAXPROCS(*threads + 1)
	var p passes
	for range *count {
		if err := p.pass(func() (int64, int64, error) { return readAll(dir, paths, *threads) }); err != nil {
			return err
		}
	}
	if want := *size * p.Count; *size >= 0 && p.Bytes != want {
		return fmt.Errorf("%d bytes in %d files, not %d", p.Bytes, p.Count, want)
	}
	if *check {
		if err := checkBodies(flags.Arg(0), paths, *size); err != nil {
			return err
		}
	}
	return p.write(stdout)
}

// readAll reads every file once, each thread its own share.
func readAll(dir int, paths pathBlock, threads int) (count, size int64, err error) {
	var wg sync.WaitGroup
	sizes, errs := make([]int64, threads), make([]error, threads)
	for t := range threads {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			buf := make([]byte, readBuffer)
			var sum int64
			for k := t; k < len(paths.at); k += threads {
				path := &paths.text[paths.at[k]]
				n, errno := readOne(dir, path, buf)
				if errno != 0 {
					errs[t] = fmt.Errorf("read %s: %w", unix.BytePtrToString(path), errno)
					return
				}
				sum += n
			}
			sizes[t] = sum
		})
	}
	wg.Wait()
	for _, n := range sizes {
		size += n
	}
	return int64(len(paths.at)), size, errors.Join(errs...)
}

// readOne is the three system calls, without the scheduler's part in them. The
// parent sets asyncpreemptoff, so that no signal of the runtime ends one early.
func readOne(dir int, path *byte, buf []byte) (size int64, errno unix.Errno) {
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(path)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	for errno == unix.EINTR {
		fd, _, errno = unix.RawSyscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(path)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	for {
		n, _, e := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		if e == unix.EINTR {
			continue
		}
		if errno = e; e != 0 {
			break
		}
		size += int64(n)
		if int(n) < len(buf) {
			break
		}
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0) // nothing was written
	return size, errno
}

// checkBodies compares the first files with what the origin serves.
func checkBodies(dir string, paths pathBlock, size int64) error {
	// Names do not depend on how many files there are.
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 1 << 40, BodySize: size})
	for _, at := range paths.at[:min(len(paths.at), checkedFiles)] {
		name := unix.BytePtrToString(&paths.text[at])
		i, ok := source.Index([]byte(name))
		if !ok {
			return fmt.Errorf("%q is no name of the origin", name)
		}
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(body, source.Body(i)) {
			return fmt.Errorf("%s holds other bytes than the origin serves", name)
		}
	}
	return nil
}

package fs

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// helperVar names the part that the test binary plays when a test starts it as
// another process. A mount is read by other processes only: one that reads its
// own can deadlock (golang/go#21014).
const helperVar = "MOTEFS_TEST_HELPER"

func TestMain(m *testing.M) {
	helpers := map[string]func([]string) error{
		"serve": helpServe, "open": helpOpen, "hold": helpHold, "seekdir": helpSeekdir,
		"xattr": helpXAttr, "begin": helpBegin,
	}
	if part := os.Getenv(helperVar); part != "" {
		if err := helpers[part](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// helpServe mounts a small tree on args[0] and serves it until it is killed.
func helpServe(args []string) error {
	s := newFakeStore()
	s.file(cache.RootInode, "a", "content")
	m, err := Open(context.Background(), Options{Mountpoint: args[0], Store: s, Contents: newFakeContents(s, nil)})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return m.Wait()
}

// helpOpen opens args[0] on a thread that it has named, and prints how that
// ended. Unlike os.Open it does not try again after EINTR.
func helpOpen(args []string) error {
	runtime.LockOSThread()
	signal.Notify(make(chan os.Signal, 1), unix.SIGUSR1)
	fmt.Println(unix.Gettid())
	fd, err := unix.Open(args[0], unix.O_RDONLY, 0)
	if err != nil {
		fmt.Println(unix.ErrnoName(err.(unix.Errno)))
		return nil
	}
	fmt.Println("opened")
	return unix.Close(fd)
}

// helpHold opens args[0], and at each line of its input reads a byte of it.
func helpHold(args []string) error {
	fd, err := unix.Open(args[0], unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	fmt.Println("held")
	for p := make([]byte, 1); ; {
		if n, _ := os.Stdin.Read(p); n == 0 {
			return nil
		}
		// A page that was not read before, so that the server is asked.
		if _, err := unix.Pread(fd, p, 1<<20); err != nil {
			fmt.Println(unix.ErrnoName(err.(unix.Errno)))
		} else {
			fmt.Println("read")
		}
	}
}

// helpBegin opens args[0], and at a line of its input reads the beginning of it.
func helpBegin(args []string) error {
	fd, err := unix.Open(args[0], unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	fmt.Println("opened")
	p := make([]byte, 1)
	if _, err := os.Stdin.Read(p); err != nil {
		return err
	}
	if _, err := unix.Pread(fd, p, 0); err != nil {
		fmt.Println(unix.ErrnoName(err.(unix.Errno)))
		return nil
	}
	fmt.Printf("read %q\n", p)
	return nil
}

// helpSeekdir reads the directory args[0] with getdents; then seeks to every
// args[1]-th cookie and compares the entry that follows.
func helpSeekdir(args []string) error {
	step, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	type dirent struct {
		name   string
		ino    uint64
		cookie int64
	}
	next := func(buf []byte) (all []dirent, err error) {
		n, err := unix.Getdents(fd, buf)
		for d := range fusetest.Dirents(buf[:max(n, 0)]) {
			all = append(all, dirent{string(d.Name), d.Inode, d.Cookie})
		}
		return all, err
	}
	var all []dirent
	for buf := make([]byte, 32<<10); ; {
		some, err := next(buf)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	for i := 0; i+1 < len(all); i += step {
		if _, err := unix.Seek(fd, all[i].cookie, io.SeekStart); err != nil {
			return err
		}
		some, err := next(make([]byte, 4096))
		if err != nil || len(some) == 0 || some[0] != all[i+1] {
			return fmt.Errorf("after cookie %d of %q: %v, %w; want %v", all[i].cookie, all[i].name, some, err, all[i+1])
		}
	}
	seen := map[string]bool{}
	for _, e := range all {
		if seen[e.name] {
			return fmt.Errorf("%q twice", e.name)
		}
		seen[e.name] = true
		if e.name != "." && e.name != ".." && uint64(e.cookie) != e.ino {
			return fmt.Errorf("%q: cookie %d, inode %d", e.name, e.cookie, e.ino)
		}
	}
	fmt.Println(len(all))
	return nil
}

// startChild starts the test binary in another part.
func startChild(t *testing.T, part string, args ...string) *process.Process {
	t.Helper()
	return process.Start(t, process.Self(t, helperVar, part, args...))
}

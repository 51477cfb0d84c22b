package fs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cache"
)

// helperVar names the part that the test binary plays when a test starts it as
// another process. A mount is read by other processes only: one that reads its
// own can deadlock (golang/go#21014).
const helperVar = "MOTEFS_TEST_HELPER"

// noFUSEVar, set to 1, skips what needs FUSE. Without it a machine that has none
// fails the tests.
const noFUSEVar = "MOTEFS_TEST_NO_FUSE"

// patience bounds everything that ought to happen at once.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	helpers := map[string]func([]string) error{
		"serve": helpServe, "open": helpOpen, "hold": helpHold, "seekdir": helpSeekdir,
		"xattr": helpXAttr,
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
	next := func(buf []byte) ([]dirent, error) {
		n, err := unix.Getdents(fd, buf)
		var all []dirent
		for b := buf[:max(n, 0)]; len(b) > 0; {
			reclen := int(b[16]) | int(b[17])<<8
			le := func(i int) (v uint64) {
				for k := 7; k >= 0; k-- {
					v = v<<8 | uint64(b[i+k])
				}
				return v
			}
			name, _, _ := bytes.Cut(b[19:reclen], []byte{0})
			all = append(all, dirent{string(name), le(0), int64(le(8))})
			b = b[reclen:]
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

// child is the test binary in another part, running.
type child struct {
	*exec.Cmd
	t     *testing.T
	lines chan string
	stdin io.WriteCloser
	end   func() // kills it; once
}

func startChild(t *testing.T, part string, args ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(exe, args...), t: t, lines: make(chan string, 16)}
	// Built with the race detector, the child would take a second to end.
	c.Env = append(os.Environ(), helperVar+"="+part, "GORACE=atexit_sleep_ms=0")
	c.Stderr = os.Stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(c.lines)
		out, buf := "", make([]byte, 4096)
		for {
			n, err := stdout.Read(buf)
			out += string(buf[:n])
			for line, rest, ok := strings.Cut(out, "\n"); ok; line, rest, ok = strings.Cut(out, "\n") {
				c.lines <- line
				out = rest
			}
			if err != nil {
				return
			}
		}
	})
	c.end = sync.OnceFunc(func() {
		c.stdin.Close()
		c.Process.Kill()
		reading.Wait()
		c.Wait()
	})
	t.Cleanup(c.end)
	return c
}

// line is the next line that the child prints.
func (c *child) line() string {
	c.t.Helper()
	select {
	case line := <-c.lines:
		return line
	case <-time.After(patience):
		c.t.Fatal("child prints nothing")
		return ""
	}
}

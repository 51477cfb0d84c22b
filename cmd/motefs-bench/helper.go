package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/cmd/motefs-bench/floor"
)

// The parts that this program plays as a child of itself. A mount is served by one
// process and read by another: a Go process that touches its own can deadlock
// (golang/go#21014).
const (
	playFloor  = "floor"
	playReader = "read"
	playLister = "list"
)

// helperMain plays the part that the arguments name, if they name one, and returns
// its exit code.
func helperMain(args []string) (code int, named bool) {
	if len(args) < 2 {
		return 0, false
	}
	var err error
	switch args[0] {
	case child.MeasureArg:
		return child.Measuring(args[1:]), true
	case playFloor:
		err = serveFloor(args[1], args[len(args)-1])
	case playReader:
		err = play(&reader{}, args[1])
	case playLister:
		err = play(&lister{}, args[1])
	default:
		return 0, false
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "motefs-bench %s: %v\n", args[0], err)
		return 1, true
	}
	return 0, true
}

// serveFloor serves the floor until it is unmounted or told to end.
func serveFloor(files, mountpoint string) error {
	n, err := strconv.ParseInt(files, 10, 64)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return floor.Serve(ctx, mountpoint, n, func() { fmt.Println(serving, mountpoint) })
}

// helper goes over a filesystem twice or more.
type helper interface{ run() (passes, error) }

// passes is what a helper says: how long it took to go over the same things, the
// first time and again, and how much there was in one pass.
type passes struct {
	Took         []time.Duration
	Count, Bytes int64
}

func play(h helper, options string) error {
	if err := json.Unmarshal([]byte(options), h); err != nil {
		return err
	}
	p, err := h.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}

// help runs a helper as a child and returns what it says. It has to find so many
// files or entries, and bytes; negative: nobody knows how many.
func (b *bench) help(ctx context.Context, part string, h helper, count, size int64) (p passes, err error) {
	options, err := json.Marshal(h)
	if err != nil {
		return p, err
	}
	// Without asyncpreemptoff the runtime's signals interrupt requests.
	_, printed, err := child.Measure(ctx, b.tmp, "env", "GODEBUG=asyncpreemptoff=1", b.self, part, string(options))
	if err != nil {
		return p, err
	}
	err = json.Unmarshal([]byte(printed), &p)
	if err == nil && (p.Count == 0 || count >= 0 && p.Count != count || size >= 0 && p.Bytes != size) {
		err = fmt.Errorf("%s found %d, of %d bytes, not %d of %d", part, p.Count, p.Bytes, count, size)
	}
	return p, err
}

// repeat times so many passes; all of them have to find the same.
func repeat(times int, pass func() (count, size int64, err error)) (p passes, err error) {
	for range times {
		start := time.Now()
		count, size, err := pass()
		took := time.Since(start)
		if err == nil && len(p.Took) > 0 && (count != p.Count || size != p.Bytes) {
			err = fmt.Errorf("there are %d (%d bytes) now, and were %d (%d bytes)", count, size, p.Count, p.Bytes)
		}
		if err != nil {
			return p, err
		}
		p.Took, p.Count, p.Bytes = append(p.Took, took), count, size
	}
	return p, nil
}

// perSecond is a figure for each pass.
func (p *passes) perSecond(of int64) []float64 {
	var figures []float64
	for _, t := range p.Took {
		figures = append(figures, float64(of)/t.Seconds())
	}
	return figures
}

// lister lists a directory and all below it twice, without a stat.
type lister struct{ Dir string }

func (l *lister) run() (passes, error) {
	buf := make([]byte, 1<<20) // the table says so
	return repeat(2, func() (count, _ int64, err error) {
		for todo := []string{l.Dir}; len(todo) > 0 && err == nil; {
			dir := todo[len(todo)-1]
			var entries int64
			entries, todo, err = listDir(dir, buf, todo[:len(todo)-1])
			count += entries
		}
		return count, 0, err
	})
}

// listDir counts the entries of one directory but for "." and "..", and appends the
// directories among them.
func listDir(dir string, buf []byte, dirs []string) (count int64, _ []string, err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, dirs, fmt.Errorf("list %s: %w", dir, err)
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return count, dirs, fmt.Errorf("list %s: %w", dir, err)
		}
		if n == 0 {
			return count, dirs, nil
		}
		// The layout is that of struct linux_dirent64, see getdents(2).
		for d := buf[:n]; len(d) > 0; d = d[binary.NativeEndian.Uint16(d[16:]):] {
			name, _, _ := bytes.Cut(d[19:], []byte{0})
			if string(name) == "." || string(name) == ".." {
				continue
			}
			count++
			if d[18] == unix.DT_DIR {
				dirs = append(dirs, dir+"/"+string(name))
			}
		}
	}
}

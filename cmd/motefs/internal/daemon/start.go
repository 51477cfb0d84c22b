//go:build linux

package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultWait is how long a daemon may take until it serves.
const DefaultWait = time.Minute

const (
	// endGrace is how long a daemon that is told to end may take.
	endGrace = 10 * time.Second
	// maxLine bounds a line of a daemon's, in bytes.
	maxLine = 256 << 10
)

// Options say how a daemon is started.
type Options struct {
	// Output is where the daemon's standard output and error go. Default: nowhere.
	Output *os.File
	// Wait is how long it may take until it serves. Default DefaultWait.
	Wait time.Duration
}

// Failure is a daemon that does not serve.
type Failure struct {
	Line   string // its own words: one line, without a newline
	Status int    // what it has exited with
}

// Error is the daemon's line.
func (f *Failure) Error() string { return f.Line }

// Start starts this program again, with the same arguments, as a daemon. It returns
// what that says once it serves; a Failure with its own error where it does not; and
// other errors where it says nothing. Then it has ended. With ctx it ends too.
func Start(ctx context.Context, o Options) (line string, err error) {
	process, pipe, err := spawn(o.Output)
	if err != nil {
		return "", fmt.Errorf("start the daemon: %w", err)
	}
	defer pipe.Close()
	said := listen(pipe)
	wait := o.Wait
	if wait == 0 {
		wait = DefaultWait
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	doing := "starting"
	for {
		select {
		case m, more := <-said:
			switch {
			case !more:
				return "", died(process, doing)
			case m.Ready:
				return m.Line, process.Release()
			case m.Failed:
				_, err := process.Wait()
				return "", errors.Join(&Failure{m.Line, m.Status}, err)
			}
			doing = m.Doing
		case <-late.C:
			return "", errors.Join(fmt.Errorf("the daemon does not serve after %v, and was ended: it was %s", wait, doing), end(process, said))
		case <-ctx.Done():
			return "", errors.Join(ctx.Err(), end(process, said))
		}
	}
}

// spawn starts the program with nothing open but the pipe and what its arguments
// name, and returns the pipe's other end.
func spawn(output *os.File) (*os.Process, *os.File, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	if output == nil {
		output = null
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer w.Close()
	files := append([]*os.File{null, output, output}, named(os.Args)...)
	files = append(files, w)
	if err := closeOnExec(); err != nil {
		r.Close()
		return nil, nil, err
	}
	process, err := os.StartProcess(path, os.Args, &os.ProcAttr{ //nolint:gosec // this program, with the arguments that it has
		Env:   append(os.Environ(), fmt.Sprintf("%s=%d", variable, len(files)-1)),
		Files: files,
	})
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	return process, r, nil
}

// descriptor is a file that an argument names by a number, as bash does for <(command).
var descriptor = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`/(?:dev|proc/self)/fd/(\d+)\b`) })

// maxNamed bounds the numbers of such files.
const maxNamed = 1 << 10

// named are the open files from number 3 on that args name, each at its place, and nil
// between them.
func named(args []string) []*os.File {
	var files []*os.File
	for _, m := range descriptor().FindAllStringSubmatch(strings.Join(args, "\n"), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 3 || n >= maxNamed {
			continue
		}
		for len(files) <= n-3 {
			files = append(files, nil)
		}
		files[n-3] = os.NewFile(uintptr(n), m[0])
	}
	return files
}

// closeOnExec has programs that are started inherit nothing: what this one got from
// whoever started it stays open else for as long as the daemon lives.
func closeOnExec() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	// Before Linux 5.11.
	open, err := os.ReadDir("/proc/self/fd")
	for _, entry := range open {
		if n, err := strconv.Atoi(entry.Name()); err == nil && n > 2 {
			unix.CloseOnExec(n)
		}
	}
	return err
}

// listen reads what the daemon says until it ends or has said all.
func listen(pipe io.Reader) <-chan message {
	said := make(chan message)
	go func() { // ends with the pipe, which Start closes, and with end
		defer close(said)
		lines := bufio.NewScanner(pipe)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			var m message
			if json.Unmarshal(lines.Bytes(), &m) != nil {
				return
			}
			last := m.Ready || m.Failed
			if last {
				// Nothing is open between the two once this is handed on.
				_, _ = io.Copy(io.Discard, pipe) // its end, however it comes
			}
			said <- m
			if last {
				return
			}
		}
	}()
	return said
}

// died is the error of a daemon that has ended without a word.
func died(process *os.Process, doing string) error {
	state, err := process.Wait()
	if err != nil {
		return fmt.Errorf("the daemon: %w", err)
	}
	return fmt.Errorf("the daemon ended without a word (%v) while it was %s; its log may say more", state, doing)
}

// end ends a daemon that does not serve yet, and waits for that.
func end(process *os.Process, said <-chan message) error {
	if err := process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	kill := time.AfterFunc(endGrace, func() { _ = process.Kill() }) // it has ended otherwise
	defer kill.Stop()
	for range said { // to its end
	}
	_, err := process.Wait()
	return err
}

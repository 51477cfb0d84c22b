package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// clock bounds the time of the response that is being read. Only time spent
// waiting for the server is counted, so a slow reader of a stream is not taken
// for a slow server, and a response that was read along with others before it
// costs nothing here.
type clock struct {
	nc       net.Conn
	t        *Timeouts
	waited   time.Duration // for the response at hand
	came     int64         // bytes of it
	stale    bool          // the next read begins another response
	deadline time.Time     // of the socket
	failed   error         // why nothing more can be read
}

// restart is called at the end of a response.
func (k *clock) restart() { k.stale = true }

// read gives every system call a deadline: Idle without a byte, and what the
// response at hand may take in all. g says how many bytes are waited for.
func (k *clock) read(p []byte, g *gatherer) (int, error) {
	if k.failed != nil {
		return 0, k.failed
	}
	if k.stale {
		k.stale, k.waited, k.came = false, 0, 0
	}
	rest := k.t.Response + time.Duration(float64(k.came)/float64(k.t.MinRate)*float64(time.Second)) - k.waited
	wait := min(k.t.Idle, rest)
	n, err := 0, os.ErrDeadlineExceeded
	if g.lowat > 1 {
		if n, err = k.readWithin(p, min(gatherTime, wait)); errors.Is(err, os.ErrDeadlineExceeded) {
			g.pause()
		}
	}
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = k.readWithin(p, wait)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if wait == rest {
			err = fmt.Errorf("timeout: response slower than %d bytes/s: %w", k.t.MinRate, err)
		} else {
			err = fmt.Errorf("timeout: no byte for %v: %w", k.t.Idle, err)
		}
	}
	k.failed = err
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// readWithin reads what comes in that time, and counts both.
func (k *clock) readWithin(p []byte, wait time.Duration) (int, error) {
	start := time.Now()
	// Moving a deadline costs a good part of what a short read does, so one
	// that is about right stays.
	if at := start.Add(wait); k.deadline.After(at) || k.deadline.Before(at.Add(-wait/8)) {
		k.deadline = at
		if err := k.nc.SetReadDeadline(at); err != nil {
			return 0, err
		}
	}
	n, err := k.nc.Read(p)
	k.waited += time.Since(start)
	k.came += int64(n)
	return n, err
}

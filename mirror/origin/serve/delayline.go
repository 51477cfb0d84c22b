package serve

import (
	"bytes"
	"io"
	"net"
	"time"
)

// delayChunks is how many reads may wait in a delay line; then the client is
// held up, as it would be by a full socket.
const delayChunks = 256

// delayLine reads a connection all the time, also while a request waits for
// its latency to pass, so that the time at which bytes arrive is known. Its
// run is a goroutine of its own.
type delayLine struct {
	src    io.Reader
	chunks chan chunk
	quit   chan struct{}
	err    error // why chunks was closed

	now chunk // what read is in the middle of
}

// chunk is what came with one read.
type chunk struct {
	data []byte
	at   time.Time
}

// newDelayLine returns a delay line for src; the caller starts run.
func newDelayLine(src io.Reader) *delayLine {
	return &delayLine{
		src:    src,
		chunks: make(chan chunk, delayChunks),
		quit:   make(chan struct{}),
		err:    net.ErrClosed,
	}
}

// run reads until the connection ends or stop is called.
func (d *delayLine) run() {
	defer close(d.chunks)
	buf := make([]byte, connBuffer)
	for {
		n, err := d.src.Read(buf)
		if n > 0 {
			select {
			case d.chunks <- chunk{bytes.Clone(buf[:n]), time.Now()}:
			case <-d.quit:
				return
			}
		}
		if err != nil {
			d.err = err
			return
		}
	}
}

// read reads bytes that arrived together, and when that was.
func (d *delayLine) read(p []byte) (int, time.Time, error) {
	if len(d.now.data) == 0 {
		next, ok := <-d.chunks
		if !ok {
			return 0, time.Time{}, d.err
		}
		d.now = next
	}
	n := copy(p, d.now.data)
	d.now.data = d.now.data[n:]
	return n, d.now.at, nil
}

// stop ends run; the source must be closed already. It is called once.
func (d *delayLine) stop() { close(d.quit) }

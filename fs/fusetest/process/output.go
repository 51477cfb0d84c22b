package process

import (
	"bytes"
	"strings"
	"sync"
)

// Output gathers what a process prints.
type Output struct {
	mu struct {
		sync.Mutex
		buf  bytes.Buffer
		read int           // bytes that line has handed out
		more chan struct{} // closed when there is more
	}
}

func newOutput() *Output {
	o := &Output{}
	o.mu.more = make(chan struct{})
	return o
}

// Write gathers p.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.mu.more)
	o.mu.more = make(chan struct{})
	return o.mu.buf.Write(p)
}

// String is everything until now.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.buf.String()
}

// more is closed when there is more than now.
func (o *Output) more() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.more
}

// line is the next line, if it is there.
func (o *Output) line() (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line, _, ok := strings.Cut(string(o.mu.buf.Bytes()[o.mu.read:]), "\n")
	if ok {
		o.mu.read += len(line) + 1
	}
	return line, ok
}

package serve

import (
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

// TestDelayLineStopsWhenFull checks that a delay line whose client sends more
// than it takes can be stopped.
func TestDelayLineStopsWhenFull(t *testing.T) {
	d := newDelayLine(endless{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.run()
	}()
	eventually.True(t, "the delay line to fill", func() bool { return len(d.chunks) == delayChunks })
	d.stop()
	<-ended
}

// endless always has bytes.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

package wiretest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Late is a Conn on which what is said may come late and in pieces. Whole texts
// follow each other; which of them is first is a matter of time.
type Late struct {
	*Conn
	mu      sync.Mutex
	pieces  *rand.Rand
	waiting sync.WaitGroup
}

// NewLate returns one that cuts everything at places that the seed says. Wait has
// to be called before the connection's function returns.
func NewLate(c *Conn, seed uint64) *Late {
	return &Late{Conn: c, pieces: rand.New(rand.NewPCG(seed, uint64(c.N)))}
}

// Wait waits for what was to come later.
func (l *Late) Wait() { l.waiting.Wait() }

// Send sends a text now.
func (l *Late) Send(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(text) > 0 {
		n := min(len(text), 1+l.pieces.IntN(400))
		if _, err := l.Write([]byte(text[:n])); err != nil {
			return
		}
		text = text[n:]
	}
}

// After sends a text after a time, while others may be sent.
func (l *Late) After(d time.Duration, text string) {
	if d == 0 {
		l.Send(text)
		return
	}
	l.waiting.Go(func() {
		time.Sleep(d)
		l.Send(text)
	})
}

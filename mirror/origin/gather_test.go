package origin

import (
	"io"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
)

// TestAnswersAreNotHeldBack has an origin that sends a few answers and the rest
// only when those were taken: while more of them are waited for, what is there
// must not be kept from its caller for long.
func TestAnswersAreNotHeldBack(t *testing.T) {
	names := numbered(2000)
	taken := make(chan struct{}, len(names))
	s := serveRaw(t, func(c *rawConn) {
		for n := 0; ; n++ {
			target, more := c.next()
			if !more {
				return
			}
			c.file(target)
			if n%700 == 3 {
				for range 4 {
					<-taken
				}
			}
		}
	})
	c := newClient(t, Options{BaseURL: s.url()})
	n := 0
	err := c.Fetch(t.Context(), names, func(i int, obj *mirror.Object, err error) {
		if n++; err != nil || string(obj.Body) != "/get/"+names[i] {
			t.Errorf("%s: %v", names[i], err)
		}
		taken <- struct{}{}
	})
	if err != nil || n != len(names) || s.dials() != 1 {
		t.Errorf("%d came over %d connections, %v", n, s.dials(), err)
	}
}

// TestGatherNeverWaitsForMoreThanComes has answers that are as short as can be,
// in rounds of every length around those at which what is waited for changes,
// and a client whose patience would be noticed.
func TestGatherNeverWaitsForMoreThanComes(t *testing.T) {
	const answer = "HTTP/1.1 200 \r\nContent-Length:0\r\n\r\n"
	if len(answer) != leastAnswer {
		t.Fatal(len(answer))
	}
	s := serveRaw(t, bursts(func(c *rawConn, targets []string) bool {
		_, err := io.WriteString(c, strings.Repeat(answer, len(targets)))
		return err == nil
	}))
	c := newClient(t, Options{BaseURL: s.url()})
	for n := 50; n < 1200; n += 7 {
		for i, r := range fetchAll(t, c, numbered(n)...) {
			if r.err != nil || r.body != "" {
				t.Fatal(n, i, r)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cn := range c.mu.idle {
		if cn.lowat != 1 {
			t.Errorf("an idle connection waits for %d bytes", cn.lowat)
		}
	}
}

package wire

import (
	"sync/atomic"
	"time"
)

// sender writes the requests of a round. Where several may be on their way it is
// a goroutine beside the reader, so that neither waits for the other through the
// server's socket buffers (RFC 9112 section 9.3.2 lets a server stop reading while
// its responses are not taken). Where one may be, the reader writes each itself.
type sender struct {
	r    *round
	done chan error    // the goroutine's end; nil without one
	room chan struct{} // a response has come; nil where all requests may be written at once
	got  atomic.Int64  // responses
	quit chan struct{} // with room
	// ahead says that the goroutine has ended, and again writes instead.
	ahead bool
}

func (r *round) newSender() *sender {
	s := &sender{r: r}
	all := r.n + r.word
	if r.depth == 1 || all == 1 {
		return s
	}
	s.done = make(chan error, 1)
	if r.depth < all {
		s.room, s.quit = make(chan struct{}, 1), make(chan struct{})
	}
	// It has no deadline of its own: a write may rightly take as long as
	// responses keep coming, and when they do not, the reader kills the connection.
	err := r.cn.nc.SetWriteDeadline(time.Time{})
	if err != nil || !r.c.spawn(func() { s.done <- s.sendAll(r.n, r.word) }) {
		r.cn.kill()
		s.done <- errEnd
	}
	return s
}

// inline reports whether the reader sends.
func (s *sender) inline() bool { return s.done == nil && !s.ahead }

// append appends the k-th request of a round of n.
func (s *sender) append(dst []byte, k, n int) []byte {
	r := s.r
	if k >= n {
		guard := &r.guards[r.order>>(k-n)&1].guard
		return r.c.appendRequest(dst, guard.target, guard.fields())
	}
	i := int(r.pending[k])
	dst = append(dst, r.c.prefix...)
	at := len(dst)
	dst = r.c.endTarget(r.b.Target(dst, i), at)
	if r.b.Fields != nil {
		dst = r.b.Fields(dst, i)
	}
	return append(dst, "\r\n"...)
}

// send writes the k-th request.
func (s *sender) send(k int) error {
	cn := s.r.cn
	cn.buf.out = s.append(cn.buf.out[:0], k, s.r.n)
	return cn.write(cn.buf.out, 1)
}

// again prepares for another word of guards after all was answered.
func (s *sender) again() error {
	if s.inline() {
		return nil
	}
	if s.done != nil {
		if err := s.end(true); err != nil {
			return err
		}
		s.done, s.quit, s.ahead = nil, nil, true
	}
	r := s.r
	r.cn.buf.out = r.cn.buf.out[:0]
	for w := range r.word {
		r.cn.buf.out = s.append(r.cn.buf.out, r.n+w, r.n)
	}
	return r.cn.write(r.cn.buf.out, r.word)
}

// sendAll writes all requests, with as many on their way as the round allows.
func (s *sender) sendAll(n, word int) error {
	cn, all, written := s.r.cn, n+word, 0
	out := cn.buf.out[:0]
	for k := range all {
		out = s.append(out, k, n)
		full := s.room != nil && int64(k+1)-s.got.Load() >= int64(s.r.depth)
		if len(out) < writeBuffer && k < all-1 && !full {
			continue
		}
		cn.asked.Add(int64(k + 1 - written))
		written = k + 1
		if _, err := cn.nc.Write(out); err != nil {
			return err
		}
		out = out[:0]
		// Half the depth at a time, so that not every response wakes this.
		for full && k < all-1 && int64(k+1)-s.got.Load() > int64(s.r.depth)/2 {
			select {
			case <-s.room:
			case <-s.quit:
				return errEnd
			}
		}
	}
	cn.buf.out = out
	return nil
}

// answered notes a response.
func (s *sender) answered() {
	if s.room == nil {
		return
	}
	s.got.Add(1)
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// end waits for the goroutine; in full says that everything was answered. It
// must be gone before the connection's buffer goes anywhere.
func (s *sender) end(full bool) error {
	if s.done == nil {
		return nil
	}
	if s.quit != nil {
		close(s.quit)
	}
	if !full {
		s.r.cn.kill()
		return <-s.done
	}
	select {
	case err := <-s.done:
		return err
	default:
	}
	if s.r.cn.nc.SetWriteDeadline(time.Now().Add(s.r.c.o.Timeouts.Join)) != nil {
		s.r.cn.kill()
	}
	return <-s.done
}

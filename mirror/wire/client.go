package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/mirror"
)

// Client talks to one server. Its methods may be called from any goroutine.
type Client struct {
	o      Options
	addr   address
	proxy  *proxy // nil: none
	tls    *tls.Config
	prefix []byte // of every request, up to the target's path
	tail   []byte // of every request, from behind the target, without the blank line

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	labels    context.Context // of the senders
	wg        sync.WaitGroup  // the senders; added to under mu
	buffs     sync.Pool       // *buffers of connections that are gone
	ledgers   sync.Pool       // *ledger
	limit     atomic.Int64    // see trust
	limited   atomic.Bool     // limit is what a connection gave, and not a guess
	untrusted atomic.Int64    // connections trusted with one request alone; see retrust
	span      span

	guards     guards
	pipelining pipelining
	counts     struct{ requests, guards, taken, open atomic.Int64 }

	mu struct {
		sync.Mutex
		closed bool
		idle   []*conn // the longest idle first
		expiry *time.Timer
	}
}

// New returns a client that Close must be called on. It connects to nothing.
func New(o Options) (*Client, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Client{o: o, addr: newAddress(o.URL)}
	var err error
	if c.proxy, err = findProxy(&o); err != nil {
		return nil, err
	}
	c.prefix = []byte("GET ")
	if c.viaHTTP() {
		c.prefix = append(c.prefix, "http://"+c.addr.host...)
	}
	c.tail = c.requestTail()
	c.limit.Store(firstTrust)
	c.span.init()
	c.pipelining.init(&o, c.viaHTTP())
	if c.addr.secure {
		c.tls = new(tls.Config)
		if o.TLS != nil {
			c.tls = o.TLS.Clone()
		}
		if c.tls.ServerName == "" {
			c.tls.ServerName = c.addr.name
		}
		if c.tls.ClientSessionCache == nil {
			c.tls.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		}
		c.tls.NextProtos = []string{"http/1.1"}
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.labels = pprof.WithLabels(context.Background(), pprof.Labels("motefs", "wire-sender"))
	return c, nil
}

// Close makes running calls return mirror.ErrClosed and closes every
// connection. It waits for the client's own goroutines, not for its callers.
func (c *Client) Close() error {
	c.mu.Lock()
	idle := c.mu.idle
	c.mu.idle, c.mu.closed = nil, true
	if c.mu.expiry != nil {
		c.mu.expiry.Stop()
	}
	c.mu.Unlock()
	c.cancel()
	for _, cn := range idle {
		c.counts.open.Add(-1)
		cn.kill()
	}
	c.wg.Wait()
	return nil
}

// Counts say what a client has done so far.
type Counts struct {
	// Requests are those of Get that were written, or were about to be when
	// their connection ended; Guards those among them that only prove the
	// others; Again those that had to be written for another time.
	Requests, Guards, Again int64
	// Open is how many connections there are now, idle ones too.
	Open int64
}

// Counts returns them.
func (c *Client) Counts() Counts {
	n := Counts{Requests: c.counts.requests.Load(), Guards: c.counts.guards.Load(), Open: c.counts.open.Load()}
	n.Again = n.Requests - n.Guards - c.counts.taken.Load()
	return n
}

// Guards implements mirror.Guarder.
func (c *Client) Guards() int64 { return c.counts.guards.Load() }

// spawn runs f in a goroutine that Close waits for.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return false
	}
	c.wg.Go(func() {
		pprof.SetGoroutineLabels(c.labels)
		f()
	})
	return true
}

// call is one call of Get or One: the caller's context, and Close.
type call struct {
	c      *Client
	parent context.Context
	ctx    context.Context // ends with parent and with Close
	end    func()
}

func (c *Client) begin(parent context.Context) *call {
	ctx, cancel := context.WithCancel(parent)
	stop := context.AfterFunc(c.ctx, cancel)
	return &call{c: c, parent: parent, ctx: ctx, end: func() { stop(); cancel() }}
}

// err is why the call has to stop, nil if it need not.
func (ca *call) err() error {
	if err := ca.parent.Err(); err != nil {
		return err
	}
	if ca.c.ctx.Err() != nil {
		return mirror.ErrClosed
	}
	return nil
}

// requestTail is what follows the target in every request, but for the blank
// line.
func (c *Client) requestTail() []byte {
	tail := []byte(" HTTP/1.1\r\nHost: " + c.addr.host + "\r\nUser-Agent: " + c.o.UserAgent +
		// Without this any coding would do (RFC 9110 section 12.5.3).
		"\r\nAccept-Encoding: identity\r\n")
	if c.viaHTTP() && c.proxy.auth != "" {
		tail = append(tail, "Proxy-Authorization: "+c.proxy.auth+"\r\n"...)
	}
	for _, key := range slices.Sorted(maps.Keys(c.o.Header)) {
		for _, value := range c.o.Header[key] {
			tail = append(tail, http.CanonicalHeaderKey(key)+": "+value+"\r\n"...)
		}
	}
	return tail
}

// appendRequest appends the request for a target, with these fields besides
// those of every request.
func (c *Client) appendRequest(dst []byte, target string, fields []byte) []byte {
	dst = append(dst, c.prefix...)
	at := len(dst)
	dst = append(dst, target...)
	dst = append(c.endTarget(dst, at), fields...)
	return append(dst, "\r\n"...)
}

// endTarget appends what every request has behind its target, which begins at dst[at].
func (c *Client) endTarget(dst []byte, at int) []byte {
	end := len(dst)
	dst = append(dst, c.tail...)
	if c.o.Sign != nil {
		dst = c.o.Sign(dst, dst[at:end])
	}
	return dst
}

// refusal is the error for a status by which a proxy keeps everything from the
// server, which is not the file's; nil for any other.
func (c *Client) refusal(status int) error {
	if c.viaHTTP() && status == http.StatusProxyAuthRequired {
		return fmt.Errorf("%w: %w", mirror.ErrUnreachable, &ProxyError{c.proxy.name, fmt.Errorf("status %d", status)})
	}
	return nil
}

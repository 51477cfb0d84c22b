package origin

import (
	"context"
	"crypto/tls"
	"fmt"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/mirror"
)

var (
	_ mirror.Lister       = (*Client)(nil)
	_ mirror.Fetcher      = (*Client)(nil)
	_ mirror.RangeFetcher = (*Client)(nil)
)

// Client talks to one origin. Its methods may be called from any goroutine.
type Client struct {
	o         Options
	base      *base
	proxy     *proxy // nil: none
	tls       *tls.Config
	prefix    []byte // of every request, up to the target's path
	getPrefix []byte // of a request for a file, up to the name
	tail      []byte // of every request, from behind the target

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	labels context.Context // of the writers
	wg     sync.WaitGroup  // the writers; added to under mu
	buffs  sync.Pool       // *buffers of connections that are gone
	pages  sync.Pool       // *[]byte of pages that were decoded
	limit  atomic.Int64    // see trust

	pipelining pipelining

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
		return nil, fmt.Errorf("origin options: %w", err)
	}
	b, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	px, err := findProxy(&o, b)
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, base: b, proxy: px}
	c.prefix = []byte("GET ")
	if c.viaHTTP() {
		c.prefix = append(c.prefix, "http://"+b.host...)
	}
	c.getPrefix = []byte(string(c.prefix) + b.path + "/get/")
	c.tail = c.requestTail()
	c.pipelining.init(&o, c.viaHTTP())
	if b.secure {
		c.tls = new(tls.Config)
		if o.TLS != nil {
			c.tls = o.TLS.Clone()
		}
		if c.tls.ServerName == "" {
			c.tls.ServerName = b.name
		}
		c.tls.NextProtos = []string{"http/1.1"}
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.labels = pprof.WithLabels(context.Background(), pprof.Labels("motefs", "origin-writer"))
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
		cn.kill()
	}
	c.wg.Wait()
	return nil
}

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

// call is one call of Fetch or List: the caller's context, and Close.
type call struct {
	c      *Client
	parent context.Context
	ctx    context.Context // ends with parent and with Close
	end    func()
	// fields are header fields that go with its requests, each with its CRLF.
	// Only single sends them.
	fields []byte
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

package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/files"
)

var (
	_ mirror.Lister       = (*Client)(nil)
	_ mirror.Fetcher      = (*Client)(nil)
	_ mirror.RangeFetcher = (*Client)(nil)
)

// Client talks to one bucket. Its methods may be called from any goroutine.
type Client struct {
	o          Options
	ctx        context.Context // ends with Close
	cancel     context.CancelFunc
	wg         sync.WaitGroup // see spawn
	at         atomic.Pointer[endpoint]
	files      *files.Getter
	keys       *Keyring
	skew       atomic.Int64  // how much later it is at the server, in nanoseconds
	explaining chan struct{} // held by who finds out about a refusal
	mu         struct {
		sync.Mutex
		endpoints []*endpoint // all, to be closed
		closed    bool
	}

	objects    sync.Pool   // *[]mirror.Listed of pages that were handed out
	raw        sync.Pool   // *[]byte that pages were read into
	silent     atomic.Bool // pages do not say which request they answer
	unordered  atomic.Bool // the server does not list in the order of its keys
	onlyTokens atomic.Bool // it ignores StartAfter
	walks      walks
}

// endpoint is the bucket in one region.
type endpoint struct {
	*wire.Client
	signer *signer
	path   string // of the bucket, percent-encoded, without a slash at its end
	files  string // of what the names are behind: the path, and a prefix that is a folder
}

// absentKey is an object that is not there.
const absentKey = ".motefs-absent-5d41402abc4b2a76"

// New returns a client that Close must be called on. It connects to nothing.
func New(o Options) (*Client, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("S3 options: %w", err)
	}
	c := &Client{o: o, explaining: make(chan struct{}, 1)}
	c.keys = NewKeyring(o.Keys, c.now, o.Log)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	e, err := c.open(o.Region)
	if err != nil {
		return nil, fmt.Errorf("S3 options: %w", err)
	}
	c.at.Store(e)
	c.files = &files.Getter{
		Client: func() *wire.Client { return c.at.Load().Client }, Explain: c.explain, Busy: slowDown,
		Target: func(dst []byte, name string) []byte { return c.appendTarget(c.at.Load(), dst, name) },
	}
	return c, nil
}

// open makes the endpoint of a region.
func (c *Client) open(region string) (*endpoint, error) {
	u, err := c.o.BucketURL(region)
	if err != nil {
		return nil, err
	}
	server := &url.URL{Scheme: u.Scheme, Host: u.Host}
	e := &endpoint{path: u.EscapedPath()}
	e.files = e.path + "/"
	if strings.HasSuffix(c.o.Prefix, "/") {
		e.files = string(files.AppendName([]byte(e.files), c.o.Prefix))
	}
	e.signer = &signer{host: server.Host, region: region, payer: c.o.RequestPayer, keys: c.keys.Load, now: c.now}
	o := c.o.Options
	o.URL, o.Sign, o.Sum, o.Absent = server, e.signer.sign, sumOf, string(c.appendTarget(e, nil, absentKey))
	if e.Client, err = wire.New(o); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, errors.Join(mirror.ErrClosed, e.Close())
	}
	c.mu.endpoints = append(c.mu.endpoints, e)
	return e, nil
}

// appendTarget appends the target of the request for a name.
func (c *Client) appendTarget(e *endpoint, dst []byte, name string) []byte {
	dst = append(dst, e.files...)
	if c.o.Prefix == "" || strings.HasSuffix(c.o.Prefix, "/") {
		return files.AppendName(dst, name)
	}
	return files.AppendName(dst, c.o.Prefix+name)
}

// maxEndpoints bounds how often a bucket is believed to be in another region.
const maxEndpoints = 4

// relocate goes on in another region.
func (c *Client) relocate(region string) (again bool, err error) {
	c.mu.Lock()
	often := len(c.mu.endpoints) >= maxEndpoints
	c.mu.Unlock()
	if often || !validRegion(region) {
		return false, nil
	}
	e, err := c.open(region)
	if err != nil {
		return false, err
	}
	c.o.Log.Info().Str("region", region).Str("instead_of", c.at.Load().signer.region).Msg("the bucket is in another region; --region spares finding that out")
	c.at.Store(e)
	return true, nil
}

// now is the server's time.
func (c *Client) now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }

// credentials has the keys be there that requests are signed with.
func (c *Client) credentials(ctx context.Context) error { return c.keys.Have(ctx) }

// credentialsForGet is credentials, but that its error says nothing of the file.
func (c *Client) credentialsForGet(ctx context.Context) error {
	if err := c.credentials(ctx); err != nil {
		return fmt.Errorf("%w: %w", mirror.ErrUnreachable, err)
	}
	return nil
}

// spawn runs f in a goroutine that Close waits for, unless the client is closed.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return false
	}
	c.wg.Go(f)
	return true
}

// Fetch implements mirror.Fetcher.
func (c *Client) Fetch(ctx context.Context, names []string, r mirror.Receiver) error {
	if err := c.credentialsForGet(ctx); err != nil {
		for i := range names {
			r.Receive(i, nil, err)
		}
		return ctx.Err()
	}
	return c.files.Fetch(ctx, names, r)
}

// Pipelines implements mirror.Pipeliner.
func (c *Client) Pipelines() bool { return c.files.Pipelines() }

// Guards implements mirror.Guarder.
func (c *Client) Guards() int64 { return c.Counts().Guards }

// FetchRange implements mirror.RangeFetcher.
func (c *Client) FetchRange(ctx context.Context, name string, part mirror.Part, use func(obj *mirror.Object) error) error {
	if err := c.credentialsForGet(ctx); err != nil {
		return err
	}
	return c.files.FetchRange(ctx, name, part, use)
}

// Close makes running calls return mirror.ErrClosed, and waits for the client's own
// goroutines.
func (c *Client) Close() error {
	c.mu.Lock()
	c.mu.closed = true
	endpoints := c.mu.endpoints
	c.mu.Unlock()
	c.cancel()
	var errs []error
	for _, e := range endpoints {
		errs = append(errs, e.Close())
	}
	c.wg.Wait()
	return errors.Join(errs...)
}

// Counts are those of all its connections.
func (c *Client) Counts() (n wire.Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.mu.endpoints {
		more := e.Client.Counts()
		n.Requests, n.Guards, n.Again = n.Requests+more.Requests, n.Guards+more.Guards, n.Again+more.Again
		n.Open += more.Open
	}
	return n
}

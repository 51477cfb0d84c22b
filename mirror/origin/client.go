package origin

import (
	"sync"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/files"
)

var (
	_ mirror.Lister            = (*Client)(nil)
	_ mirror.ConditionalLister = (*Client)(nil)
	_ mirror.Fetcher           = (*Client)(nil)
	_ mirror.RangeFetcher      = (*Client)(nil)
	_ mirror.Pipeliner         = (*Client)(nil)
	_ mirror.Guarder           = (*Client)(nil)
)

// Client talks to one origin. Its methods may be called from any goroutine.
type Client struct {
	*wire.Client
	*files.Getter
	maxPage    int64
	base       *base
	layout     *layout
	onOnePage  func(lacks string)
	pages      sync.Pool // *[]byte of pages that were decoded
	recent     recent    // pages
	recentTags recent    // ETags of pages
}

// New returns a client that Close must be called on. It connects to nothing.
func New(o Options) (*Client, error) {
	o.EnsureDefaults()
	b, l, err := o.resolve()
	if err != nil {
		return nil, err
	}
	w, err := wire.New(o.Options)
	if err != nil {
		return nil, err
	}
	return &Client{
		Client: w, Getter: &files.Getter{Client: func() *wire.Client { return w }, Target: l.appendTarget, Redirect: b.redirectFile},
		maxPage: o.MaxPageBytes, base: b, layout: l, onOnePage: o.OnOnePage,
	}, nil
}

// Pipelines implements mirror.Pipeliner. Both that are embedded have it, so that neither's would count.
func (c *Client) Pipelines() bool { return c.Client.Pipelines() }

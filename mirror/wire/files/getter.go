package files

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

var (
	_ mirror.Fetcher      = (*Getter)(nil)
	_ mirror.RangeFetcher = (*Getter)(nil)
	_ mirror.Pipeliner    = (*Getter)(nil)
)

// Getter gets files. Its methods may be called from any goroutine; its fields are set
// before.
type Getter struct {
	// Client returns the connections, which may be others when something is asked
	// again.
	Client func() *wire.Client
	// Target appends the request target of a name.
	Target func(dst []byte, name string) []byte
	// Redirect returns the target that a redirect leads to, which answered a request
	// for target, after that many others. An error is what the file has instead. Where
	// it is nil a redirect is a refusal.
	Redirect func(status int, location, target, name string, hops int) (string, error)
	// Explain, where it is not nil, is asked why a request for target was refused. It
	// reports whether it is worth while to make that request, and others that were
	// refused beside it, once more; else err, where it is not nil, is the error of
	// that file. Refusals that may pass, and a 404, need no explanation.
	Explain func(ctx context.Context, target string, refusal *mirror.StatusError) (again bool, err error)
	// Busy is how long a 503 without a Retry-After is taken to ask to wait. Default: it
	// asks for nothing.
	Busy time.Duration

	conditioned sync.Pool   // *conditions of calls that are over
	conditional atomic.Bool // a get with a condition was made
}

// explains reports whether a refusal may have a reason that Explain finds.
func (g *Getter) explains(refusal *mirror.StatusError) bool {
	return g.Explain != nil && !refusal.Temporary() && refusal.Code >= 300 && refusal.Code != http.StatusNotFound
}

// Pipelines implements mirror.Pipeliner.
func (g *Getter) Pipelines() bool { return g.Client().Pipelines() }

// Conditional reports whether a get with a condition was made, so that a 304 may be a
// late response to one.
func (g *Getter) Conditional() bool { return g.conditional.Load() }

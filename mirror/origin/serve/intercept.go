package serve

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// Interceptor sees each request for a page or a file, well-formed and with the
// right token, on its connection's goroutine and before the source does. What
// it returns writes the response; nil leaves that to the server.
type Interceptor func(r *Request) Writer

// Request is what an Interceptor sees of a request, and must not keep.
type Request struct {
	// List says that a page is asked for, Name being its marker; of S3 the key, or the
	// common prefix, after which the listing goes on.
	List bool
	Name []byte
	// PageSize is how many names a page of S3 has at most. The Interceptor may make
	// it less, also 0: that page is not the last one, and its token goes on where
	// it was asked for.
	PageSize int
	// Range is the header field of that name of a get.
	Range []byte
	// Unconditional, which the Interceptor may set, has a get or a page answered whole:
	// Range, If-None-Match and If-Modified-Since are ignored.
	Unconditional bool
}

// Writer writes one response by hand, once all responses before it were
// written, and reports whether the connection goes on. It may write what it
// likes. While it runs the requests behind it wait.
type Writer func(x *Exchange) bool

// Exchange is a response in the hands of a Writer, as the server would give it.
type Exchange struct {
	*Response
	// Conn is the connection, with TLS where the server has it.
	Conn net.Conn
	// KeepAlive says that the connection is to go on after the response.
	KeepAlive bool

	c *conn
}

// Wait lets d pass and reports whether the server still runs.
func (x *Exchange) Wait(d time.Duration) bool { return x.c.s.wait(d) }

// Count counts the response in Counts.Status.
func (x *Exchange) Count() { x.c.counts.responded(x.Status) }

// Cut closes the connection below TLS, without its farewell; with a reset
// (RST) where that is asked for, else with an orderly end.
func (x *Exchange) Cut(reset bool) {
	wire := x.c.wire
	if reset {
		wire.reset()
		return
	}
	if _, ok := x.Conn.(*tls.Conn); ok {
		_ = wire.tcp.CloseWrite()
	}
	_ = wire.Close()
}

// job is a Writer that waits until fasthttp lets go of the connection.
type job struct {
	write Writer
	keep  bool          // the connection stays open after it
	taken chan struct{} // closed when fasthttp has given the connection back
}

// hijack has the connection's response written by hand.
func (c *conn) hijack(ctx *fasthttp.RequestCtx, write Writer) {
	j := &job{write: write, taken: make(chan struct{})}
	j.keep = !ctx.Request.Header.ConnectionClose() && !ctx.Response.ConnectionClose()
	c.job, c.detached = j, true
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(hijacked net.Conn) {
		c.unread, _ = io.ReadAll(hijacked) // what fasthttp had read ahead; ends with errDetached
		close(j.taken)
	})
}

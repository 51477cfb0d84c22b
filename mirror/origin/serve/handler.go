package serve

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"
)

// handle answers one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	c := ctx.Conn().(*conn)
	c.requests++
	if s.o.MaxRequestsPerConn > 0 && c.requests >= s.o.MaxRequestsPerConn {
		ctx.SetConnectionClose()
	}
	r := &c.response
	r.reset(ctx.IsHead())
	if write := s.route(ctx, c); write != nil {
		c.hijack(ctx, write)
		return
	}
	c.counts.responded(r.Status)
	r.respond(&ctx.Response)
}

// route fills in the connection's response, and returns the Writer that is to
// write it, if it is not the server itself.
func (s *Server) route(ctx *fasthttp.RequestCtx, c *conn) Writer {
	if s.s3 != nil {
		return s.s3.route(ctx, c)
	}
	r := &c.response
	if s.o.Token != "" && !s.authorized(ctx) {
		r.refuse(fasthttp.StatusUnauthorized, "a token is needed\n")
		r.Set("WWW-Authenticate", "Bearer")
		return nil
	}
	route, arg := parseTarget(ctx.Request.Header.RequestURI(), s.o.BasePath)
	if route == routeNone {
		r.refuse(fasthttp.StatusNotFound, "not a path of this service\n")
		return nil
	}
	if !ctx.IsGet() && !r.Head {
		r.refuse(fasthttp.StatusMethodNotAllowed, "only GET and HEAD\n")
		r.Set("Allow", "GET, HEAD")
		return nil
	}
	if route == routeList {
		arg = queryMarker(arg)
	}
	var ok bool
	if c.name, ok = appendDecoded(c.name[:0], arg); !ok {
		r.refuse(fasthttp.StatusBadRequest, "bad percent-encoding\n")
		return nil
	}
	if route == routeList {
		return s.list(ctx, c)
	}
	return s.get(ctx, c)
}

// authorized reports whether the request has the token.
func (s *Server) authorized(ctx *fasthttp.RequestCtx) bool {
	const scheme = "Bearer "
	got := ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)
	return len(got) >= len(scheme) && string(got[:len(scheme)]) == scheme && string(got[len(scheme):]) == s.o.Token
}

// get answers a get of the name in c.name.
func (s *Server) get(ctx *fasthttp.RequestCtx, c *conn) Writer {
	c.counts.gets.Add(1)
	write, ok := s.arrive(ctx, c, s.o.GetLatency, Request{Name: c.name})
	if !ok {
		return nil
	}
	r := &c.response
	err := s.src.Get(c.name, &r.obj)
	if err != nil {
		r.obj.close()
		r.refuseError(err)
		return write
	}
	r.describe()
	if s.o.Intercept == nil || !c.request.Unconditional {
		r.condition(&ctx.Request.Header)
	}
	return write
}

// arrive lets the latency pass and asks the Interceptor. It reports false where the
// server closes first.
func (s *Server) arrive(ctx *fasthttp.RequestCtx, c *conn, latency time.Duration, r Request) (write Writer, ok bool) {
	if latency > 0 && !s.waitOut(ctx, c, latency) {
		return nil, false
	}
	if s.o.Intercept != nil {
		c.request = r
		if !r.List {
			c.request.Range = ctx.Request.Header.Peek(fasthttp.HeaderRange)
		}
		write = s.o.Intercept(&c.request)
	}
	return write, true
}

// waitOut waits until the latest request has been here for the latency. If
// the server closes first it ends the connection, whose socket is closed
// already, before the requests behind it are handled.
func (s *Server) waitOut(ctx *fasthttp.RequestCtx, c *conn, latency time.Duration) bool {
	if s.wait(time.Until(c.wire.arrived.Add(latency))) {
		return true
	}
	c.response.refuse(fasthttp.StatusServiceUnavailable, "closing\n")
	ctx.SetConnectionClose()
	return false
}

// list answers a request for the page at the marker in c.name.
func (s *Server) list(ctx *fasthttp.RequestCtx, c *conn) Writer {
	c.counts.lists.Add(1)
	write, ok := s.arrive(ctx, c, s.o.ListLatency, Request{List: true, Name: c.name})
	if !ok {
		return nil
	}
	r := &c.response
	next, err := s.page(ctx, c)
	switch {
	case err != nil:
		r.refuseError(err)
		return write
	case r.Status == fasthttp.StatusNotModified:
		return write
	}
	r.obj.Body = c.page.end(next)
	r.Set("Content-Type", "application/json")
	return write
}

// page encodes the page at the marker in c.name, unless the request says that the
// client has it, which makes the response a 304.
func (s *Server) page(ctx *fasthttp.RequestCtx, c *conn) (next string, err error) {
	c.page.begin()
	tagger, ok := s.src.(PageTagger)
	if !ok {
		return s.src.Page(string(c.name), s.o.PageSize, c.page.add)
	}
	r := &c.response
	told := func(etag []byte) (wanted bool) {
		r.Set(fasthttp.HeaderETag, string(etag))
		have := ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)
		if len(have) == 0 || s.o.Intercept != nil && c.request.Unconditional || !matchesETag(have, etag) {
			return true
		}
		r.notModified()
		return false
	}
	return tagger.TaggedPage(string(c.name), s.o.PageSize, told, c.page.add)
}

// handleMalformed answers what is no request.
func (s *Server) handleMalformed(ctx *fasthttp.RequestCtx, err error) {
	c := ctx.Conn().(*conn)
	r := &c.response
	r.reset(false)
	if s.s3 != nil {
		s.s3.begin(c)
		s.s3.refuse(c, s3BadRequest)
	} else {
		r.refuse(fasthttp.StatusBadRequest, "not a request: "+err.Error()+"\n")
	}
	if tooSmall := (*fasthttp.ErrSmallBuffer)(nil); errors.As(err, &tooSmall) {
		r.Status = fasthttp.StatusRequestHeaderFieldsTooLarge
	}
	c.counts.responded(r.Status)
	r.respond(&ctx.Response)
}

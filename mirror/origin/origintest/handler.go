package origintest

import (
	"errors"
	"strings"
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
	a := &c.answer
	a.reset(ctx.IsHead())
	fault := s.route(ctx, c)
	if !fault.isZero() {
		a.apply(&fault)
		c.hijack(ctx, fault)
		return
	}
	c.counts.answered(a.status)
	a.respond(&ctx.Response)
}

// route fills in the connection's answer, and returns the fault that it is to
// be given with.
func (s *Server) route(ctx *fasthttp.RequestCtx, c *conn) Fault {
	a := &c.answer
	if s.o.Token != "" && !s.authorized(ctx) {
		a.refuse(fasthttp.StatusUnauthorized, "a token is needed\n")
		a.set("WWW-Authenticate", "Bearer")
		return Fault{}
	}
	route, arg := parseTarget(ctx.Request.Header.RequestURI(), s.o.BasePath)
	if route == routeNone {
		a.refuse(fasthttp.StatusNotFound, "not a path of this service\n")
		return Fault{}
	}
	if !ctx.IsGet() && !a.head {
		a.refuse(fasthttp.StatusMethodNotAllowed, "only GET and HEAD\n")
		a.set("Allow", "GET, HEAD")
		return Fault{}
	}
	if route == routeList {
		arg = queryMarker(arg)
	}
	var ok bool
	if c.name, ok = appendDecoded(c.name[:0], arg); !ok {
		a.refuse(fasthttp.StatusBadRequest, "bad percent-encoding\n")
		return Fault{}
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
func (s *Server) get(ctx *fasthttp.RequestCtx, c *conn) (fault Fault) {
	c.counts.gets.Add(1)
	if s.names != nil {
		s.names.add(c.name)
	}
	if s.o.GetLatency > 0 && !s.waitOut(ctx, c, s.o.GetLatency) {
		return Fault{}
	}
	if hooks := s.faults.Load(); hooks != nil {
		fault = hooks.get(c.name, ctx.Request.Header.Peek(fasthttp.HeaderRange))
	}
	a := &c.answer
	err := s.src.Get(c.name, &a.obj)
	if err != nil {
		a.obj.close()
		a.refuseError(err)
		return fault
	}
	a.describe()
	if !fault.NoRange {
		a.condition(&ctx.Request.Header)
	}
	return fault
}

// waitOut waits until the latest request has been here for the latency. If
// the server closes first it ends the connection, whose socket is closed
// already, before the requests behind it are handled.
func (s *Server) waitOut(ctx *fasthttp.RequestCtx, c *conn, latency time.Duration) bool {
	if s.wait(time.Until(c.wire.arrived.Add(latency))) {
		return true
	}
	c.answer.refuse(fasthttp.StatusServiceUnavailable, "closing\n")
	ctx.SetConnectionClose()
	return false
}

// list answers a request for the page at the marker in c.name.
func (s *Server) list(ctx *fasthttp.RequestCtx, c *conn) (fault Fault) {
	c.counts.lists.Add(1)
	if s.o.ListLatency > 0 && !s.waitOut(ctx, c, s.o.ListLatency) {
		return Fault{}
	}
	marker, limit, a := string(c.name), s.o.PageSize, &c.answer
	if marker != "" {
		prefix := s.o.MarkerPrefix
		if len(marker) <= len(prefix) || marker[:len(prefix)] != prefix {
			a.refuseError(ErrMarker)
			return Fault{}
		}
		marker = marker[len(prefix):]
	}
	if hooks := s.faults.Load(); hooks != nil {
		fault = hooks.list(marker)
		if hooks.PageSize != nil {
			limit = hooks.PageSize(marker)
		}
	}
	c.page.begin()
	next, err := s.page(marker, limit, c.page.add)
	if err != nil {
		a.refuseError(err)
		return fault
	}
	a.obj.Body = c.page.end(s.o.MarkerPrefix, next)
	a.set("Content-Type", "application/json")
	return fault
}

// emptyMark before a marker says that an empty page came before.
const emptyMark = "~"

// page lists the source's page at marker, or no names for a limit of 0.
func (s *Server) page(marker string, limit int, add func(name []byte)) (next string, err error) {
	if limit <= 0 {
		return emptyMark + marker, nil
	}
	return s.src.Page(strings.TrimLeft(marker, emptyMark), limit, add)
}

// handleMalformed answers what is no request.
func (s *Server) handleMalformed(ctx *fasthttp.RequestCtx, err error) {
	c := ctx.Conn().(*conn)
	a := &c.answer
	a.reset(false)
	a.refuse(fasthttp.StatusBadRequest, "not a request: "+err.Error()+"\n")
	if tooSmall := (*fasthttp.ErrSmallBuffer)(nil); errors.As(err, &tooSmall) {
		a.status = fasthttp.StatusRequestHeaderFieldsTooLarge
	}
	c.counts.answered(a.status)
	a.respond(&ctx.Response)
}

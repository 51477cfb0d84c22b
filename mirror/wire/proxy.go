package wire

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxConnectHead bounds a proxy's answer to CONNECT.
const maxConnectHead = 64 << 10

// proxy is an http proxy: for an http origin it is sent whole URLs, for an https
// one it is asked for a tunnel.
type proxy struct {
	addr string // host:port to dial
	name string // for errors, without user-info
	auth string // the Proxy-Authorization, if any
}

// proxyFromEnvironment is http.ProxyFromEnvironment for a URL. A variable that
// is no URL counts as unset there.
func proxyFromEnvironment(u *url.URL) (*url.URL, error) {
	return http.ProxyFromEnvironment(&http.Request{URL: u})
}

// ProxyError is what went wrong on the way to a proxy, or was refused by it.
type ProxyError struct {
	Name string // its URL, without user and password
	Err  error
}

func (e *ProxyError) Error() string { return "proxy " + e.Name + ": " + e.Err.Error() }

// Unwrap returns what went wrong.
func (e *ProxyError) Unwrap() error { return e.Err }

// findProxy returns the proxy for the server, nil where there is none.
func findProxy(o *Options) (*proxy, error) {
	u, err := o.Proxy(o.URL)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if u == nil {
		return nil, nil
	}
	p := &proxy{addr: net.JoinHostPort(u.Hostname(), PortOf(u)), name: u.Scheme + "://" + u.Host}
	switch {
	case u.Scheme != "http":
		return nil, fmt.Errorf("proxy %s: scheme %q is not supported, only http is", p.name, u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("proxy %s: no host", p.name)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		p.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return p, nil
}

// viaHTTP reports whether requests go to a proxy as they are.
func (c *Client) viaHTTP() bool { return c.proxy != nil && !c.addr.secure }

// dialAddr is what to connect to first.
func (c *Client) dialAddr() string {
	if c.proxy != nil {
		return c.proxy.addr
	}
	return c.addr.dial
}

// open connects to the origin, or to what stands for it, up to TLS.
func (c *Client) open(ctx context.Context) (net.Conn, error) {
	dialing, cancel := context.WithTimeout(ctx, c.o.Timeouts.Dial)
	defer cancel()
	raw, err := c.o.Dial(dialing, "tcp", c.dialAddr())
	if err == nil && c.proxy != nil && c.addr.secure {
		if err = c.tunnel(dialing, raw); err != nil {
			raw.Close()
		}
	}
	if err != nil && c.proxy != nil {
		err = &ProxyError{c.proxy.name, err}
	}
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// tunnel has the proxy connect to the origin. Where ctx ends first, that is the error.
func (c *Client) tunnel(ctx context.Context, raw net.Conn) error {
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	failed := func(err error) error {
		if ctx.Err() != nil { // which has closed the connection
			err = context.Cause(ctx)
		}
		return fmt.Errorf("connect %s: %w", c.addr.dial, err)
	}
	request := "CONNECT " + c.addr.dial + " HTTP/1.1\r\nHost: " + c.addr.dial + "\r\nUser-Agent: " + c.o.UserAgent + "\r\n"
	if c.proxy.auth != "" {
		request += "Proxy-Authorization: " + c.proxy.auth + "\r\n"
	}
	if _, err := io.WriteString(raw, request+"\r\n"); err != nil {
		return failed(err)
	}
	br := bufio.NewReader(io.LimitReader(raw, maxConnectHead))
	//nolint:bodyclose // a tunnel's answer has none, and of another one the connection is closed
	answer, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	switch {
	case err != nil:
		return failed(err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("connect %s: status %.200q", c.addr.dial, answer.Status)
	case br.Buffered() > 0:
		// The origin speaks only after the client's hello.
		return fmt.Errorf("connect %s: %d bytes behind the answer", c.addr.dial, br.Buffered())
	case !stop():
		return fmt.Errorf("connect %s: %w", c.addr.dial, context.Cause(ctx))
	}
	return nil
}

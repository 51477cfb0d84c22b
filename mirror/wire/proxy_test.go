package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// proxyServer is an http proxy.
type proxyServer struct {
	*wiretest.Server
	auth     string // wanted, unless empty
	requests atomic.Int64
	longest  atomic.Int64 // how many requests were there at once
	tunnels  atomic.Int64
	first    sync.Map // header lines of requests, by their request line
}

func openProxy(t *testing.T) *proxyServer {
	p := &proxyServer{}
	p.Server = wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			r, err := http.ReadRequest(c.Buf)
			if err != nil {
				return
			}
			p.first.Store(r.Method+" "+r.RequestURI, r.Header)
			if p.auth != "" && r.Header.Get("Proxy-Authorization") != p.auth {
				c.Say("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			if r.Method == http.MethodConnect {
				p.tunnel(c, r.Host)
				return
			}
			p.requests.Add(1)
			if n := int64(strings.Count(peeked(c.Buf), "GET http")) + 1; n > p.longest.Load() {
				p.longest.Store(n)
			}
			r.RequestURI = ""
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				c.Say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			answer.Write(c)
			answer.Body.Close()
		}
	})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return p
}

func (p *proxyServer) tunnel(c *wiretest.Conn, addr string) {
	p.tunnels.Add(1)
	to, err := net.Dial("tcp", addr)
	if err != nil {
		c.Say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer to.Close()
	c.Say("HTTP/1.1 200 Connection established\r\n\r\n")
	c.Server().Go(func() {
		io.Copy(to, c.Buf)
		to.Close()
	})
	io.Copy(c.Conn, to)
}

// peeked is what is in a buffer already.
func peeked(br *bufio.Reader) string {
	b, _ := br.Peek(br.Buffered())
	return string(b)
}

// via is a Proxy option.
func via(raw string) func(*url.URL) (*url.URL, error) {
	return func(*url.URL) (*url.URL, error) { return url.Parse(raw) }
}

func (p *proxyServer) via(user string) func(*url.URL) (*url.URL, error) {
	return via("http://" + user + p.Addr())
}

// TestProxyHTTP asks through a proxy: one at a time, unless told otherwise.
func TestProxyHTTP(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	for _, pipeline := range []int{0, 1, 50} {
		p := openProxy(t)
		p.auth = "Basic bWU6c2VjcmV0OmVuZA==" // me:secret:end
		c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline, Proxy: p.via("me:secret%3Aend@")})
		all := numbered(300)
		checkEcho(t, all, fetchAll(t, c, all...))
		// Without a probe, but with the guards of rounds of 128, 170 and so on.
		if n := p.requests.Load(); n < 300+2*4 || n > 300+3*4 {
			t.Errorf("%d requests through the proxy for %d files", n, len(all))
		}
		if got, want := c.pipelining.depth(), max(1, pipeline); got != want || p.longest.Load() > int64(want) {
			t.Errorf("depth %d, %d at once, want %d", got, p.longest.Load(), want)
		}
		header, ok := p.first.Load("GET " + s.URL() + "/get/" + all[0])
		if !ok || header.(http.Header).Get("Proxy-Connection") != "" {
			t.Errorf("%v, %v", header, ok)
		}
		if p.Dials() > 4 { // three for the guards
			t.Errorf("%d connections", p.Dials())
		}
	}
}

// TestProxyHTTPS asks through a tunnel, which is as good as a connection.
func TestProxyHTTPS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) }))
	defer srv.Close()
	p := openProxy(t)
	p.auth = "Basic bWU6c2VjcmV0"
	c := newAuto(t, Options{URL: parsed(t, srv.URL), Proxy: p.via("me:secret@"), Header: http.Header{"Authorization": {"mine"}},
		TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig})
	all := numbered(300)
	checkEcho(t, all, fetchAll(t, c, all...))
	if p.tunnels.Load() > 5 || p.requests.Load() != 0 || c.pipelining.depth() == 1 {
		t.Errorf("%d tunnels, %d requests, depth %d", p.tunnels.Load(), p.requests.Load(), c.pipelining.depth())
	}
	header, ok := p.first.Load("CONNECT " + parsed(t, srv.URL).Host)
	if !ok || header.(http.Header).Get("Authorization") != "" {
		t.Errorf("the proxy saw %v", header)
	}
}

// TestProxyErrors wants the proxy named and its password not.
func TestProxyErrors(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	says := func(answer string) string {
		return wiretest.Serve(t, func(c *wiretest.Conn) {
			http.ReadRequest(c.Buf)
			io.WriteString(c, answer)
			c.CloseGently()
		}).Addr()
	}
	silent := wiretest.Serve(t, func(c *wiretest.Conn) { io.Copy(io.Discard, c.Buf) }).Addr()
	picky := openProxy(t)
	picky.auth = "other"
	for _, p := range []struct{ base, addr, want string }{
		{"http://o.test", dead.Addr().String(), "refused"},
		{"https://o.test", dead.Addr().String(), "refused"},
		{"http://o.test", picky.Addr(), "status 407"},
		{"https://o.test", picky.Addr(), `connect o.test:443: status "407 Proxy Authentication Required"`},
		{"https://o.test", says("HTTP/1.1 403 No\r\n\r\n"), `status "403 No"`},
		{"https://o.test", says("HTTP/1.1 200 OK\r\n\r\nearly"), "5 bytes behind"},
		{"https://o.test", says("garbage\r\n\r\n"), "malformed"},
		{"https://o.test", says("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20<<10)), "malformed"},
		{"https://o.test", says(""), "EOF"},
		{"https://o.test", silent, "connect o.test:443: context deadline exceeded"},
	} {
		timeouts := quick
		if p.addr == silent {
			timeouts.Dial = 50 * time.Millisecond
		}
		c := newClient(t, Options{URL: parsed(t, p.base), Proxy: via("http://me:secret@" + p.addr), Timeouts: timeouts})
		check := func(err error) {
			t.Helper()
			if !errors.Is(err, mirror.ErrUnreachable) || !strings.Contains(err.Error(), p.want) ||
				!strings.Contains(err.Error(), "proxy http://"+p.addr) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, want %q", p.base, err, p.want)
			}
		}
		for _, r := range fetchAll(t, c, "a", "b") {
			check(r.err)
		}
		_, err := fetchOne(t.Context(), c, "/x")
		check(err)
	}
}

func TestProxyOption(t *testing.T) {
	for raw, want := range map[string]string{
		"socks5://me:secret@h:1080": `proxy socks5://h:1080: scheme "socks5" is not supported`,
		"https://h":                 `scheme "https" is not supported`,
		"h":                         `scheme "" is not supported`,
		"http://:80":                "no host",
	} {
		_, err := New(Options{URL: parsed(t, "http://h"), Proxy: via(raw)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
	_, err := New(Options{URL: parsed(t, "http://h"), Proxy: func(*url.URL) (*url.URL, error) { return nil, errors.New("no idea") }})
	if err == nil || err.Error() != "proxy: no idea" {
		t.Error(err)
	}
	c := newAuto(t, Options{URL: parsed(t, "http://h"), Proxy: func(u *url.URL) (*url.URL, error) {
		if u.String() != "http://h" {
			t.Error(u)
		}
		return nil, nil
	}})
	if c.proxy != nil || c.dialAddr() != "h:80" || !c.pipelining.unknown() {
		t.Errorf("%+v", c.proxy)
	}
	// The environment never has one for loopback.
	if u, err := proxyFromEnvironment(&url.URL{Scheme: "http", Host: "127.0.0.1:80"}); u != nil || err != nil {
		t.Error(u, err)
	}
}

// TestProxyEnvironment asks a child for the proxy, as the environment is read
// once in a process.
func TestProxyEnvironment(t *testing.T) {
	t.Parallel() // a child under the race detector takes a second to exit
	const asked = "MOTEFS_TEST_ASK_PROXY"
	if target := os.Getenv(asked); target != "" {
		c, err := New(Options{URL: parsed(t, target)})
		if err != nil {
			fmt.Printf("<%v>", err)
			return
		}
		defer c.Close()
		fmt.Printf("<%s %v>", c.dialAddr(), c.proxy != nil)
		return
	}
	for _, e := range []struct{ target, env, want string }{
		{"http://o.test", "", "<o.test:80 false>"},
		{"http://o.test", "HTTP_PROXY=http://p.test:3128", "<p.test:3128 true>"},
		{"http://o.test", "http_proxy=p.test", "<p.test:80 true>"},
		{"http://o.test", "HTTPS_PROXY=http://p.test", "<o.test:80 false>"},
		{"https://o.test", "HTTPS_PROXY=http://me:secret@p.test", "<p.test:80 true>"},
		{"https://o.test:1", "HTTPS_PROXY=http://p.test NO_PROXY=o.test", "<o.test:1 false>"},
		{"http://127.0.0.1:1", "HTTP_PROXY=http://p.test", "<127.0.0.1:1 false>"},
		{"http://o.test", "HTTP_PROXY=socks5://me:secret@p.test", `scheme "socks5" is not supported`},
		{"http://o.test", "HTTP_PROXY=http://me:secret@%zz", "<o.test:80 false>"}, // as net/http does
		{"http://o.test", "HTTP_PROXY=http://me:secret@p.test REQUEST_METHOD=GET", "<proxy: refusing to use HTTP_PROXY value in CGI environment"},
	} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyEnvironment$")
		child.Env = append(strings.Fields(e.env), asked+"="+e.target)
		out, err := child.CombinedOutput()
		if err != nil || !strings.Contains(string(out), e.want) || strings.Contains(string(out), "secret") {
			t.Errorf("%s, %s: %s, %v; want %s", e.target, e.env, out, err, e.want)
		}
	}
}

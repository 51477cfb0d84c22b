// Package rawhttp is a client for tests of servers. It hides nothing: a target
// goes out as it is, in one write with all others, and responses are read one
// after another from one connection.
package rawhttp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Deadline is when a connection gives up on the server.
const Deadline = 10 * time.Second

// Conn writes requests and reads responses over one connection.
type Conn struct {
	net.Conn
	Reader *bufio.Reader
	tb     testing.TB
}

// Dial opens a connection to addr that the test closes.
func Dial(tb testing.TB, addr string) *Conn {
	tb.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(Deadline)); err != nil {
		tb.Fatal(err)
	}
	return New(tb, nc)
}

// New returns a client over a connection that the caller closes.
func New(tb testing.TB, nc net.Conn) *Conn {
	return &Conn{Conn: nc, Reader: bufio.NewReader(nc), tb: tb}
}

// Requests returns one GET for each target.
func Requests(targets ...string) (requests []byte) {
	for _, target := range targets {
		requests = fmt.Appendf(requests, "GET %s HTTP/1.1\r\nHost: origin\r\n\r\n", target)
	}
	return requests
}

// Send writes one GET for each target, in one write.
func (c *Conn) Send(targets ...string) {
	c.tb.Helper()
	if _, err := c.Write(Requests(targets...)); err != nil {
		c.tb.Fatal(err)
	}
}

// Receive reads one response.
func (c *Conn) Receive() (*http.Response, string, error) {
	resp, err := http.ReadResponse(c.Reader, &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// Expect reads one response and checks it.
func (c *Conn) Expect(status int, body string) *http.Response {
	c.tb.Helper()
	resp, got, err := c.Receive()
	if err != nil || resp.StatusCode != status || got != body {
		c.tb.Fatalf("want %d %.100q, got %+v %.100q, %v", status, body, resp, got, err)
	}
	return resp
}

// Ask sends one request on a connection of its own, with header fields in pairs.
func Ask(tb testing.TB, addr, method, target string, header ...string) (*http.Response, string) {
	tb.Helper()
	c := Dial(tb, addr)
	request := method + " " + target + " HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n"
	for i := 0; i < len(header); i += 2 {
		request += header[i] + ": " + header[i+1] + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(c.Reader, &http.Request{Method: method})
	if err != nil {
		tb.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp, string(body)
}

// Page is a page of a listing.
type Page struct {
	FileNames []string
	NextFile  *string
}

// Pages walks a listing by the protocol alone, base being the path before
// /list, and returns its pages.
func Pages(tb testing.TB, addr, base string) (pages []Page) {
	tb.Helper()
	target := base + "/list"
	for {
		resp, body := Ask(tb, addr, http.MethodGet, target)
		_ = resp.Body.Close() // Ask has read it
		if resp.StatusCode != http.StatusOK {
			tb.Fatalf("%s: %d %s", target, resp.StatusCode, body)
		}
		var p Page
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			tb.Fatalf("%s: %q: %v", target, body, err)
		}
		pages = append(pages, p)
		if p.NextFile == nil {
			return pages
		}
		target = base + "/list?next-marker=" + percentEncode(*p.NextFile)
	}
}

// Names returns the names of all pages.
func Names(pages []Page) (all []string) {
	for _, p := range pages {
		all = append(all, p.FileNames...)
	}
	return all
}

// GetTarget is the request target of a name as the protocol wants it.
func GetTarget(base, name string) string {
	elems := strings.Split(name, "/")
	for i := range elems {
		elems[i] = percentEncode(elems[i])
	}
	return base + "/get/" + strings.Join(elems, "/")
}

// percentEncode encodes every byte that is not unreserved.
func percentEncode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

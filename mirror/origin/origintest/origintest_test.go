package origintest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is when a test gives up on the server.
const deadline = 10 * time.Second

// openServer opens a server that the test closes.
func openServer(tb testing.TB, o Options, src Source) *Server {
	tb.Helper()
	s, err := Open(o, src)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return s
}

// rawClient writes requests and reads answers over one connection.
type rawClient struct {
	tb testing.TB
	net.Conn
	br *bufio.Reader
}

// dial opens a connection that the test closes.
func dial(tb testing.TB, s *Server) *rawClient {
	tb.Helper()
	c, err := dialQuietly(s)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	c.tb = tb
	return c
}

// dialQuietly opens a connection that the caller closes.
func dialQuietly(s *Server) (*rawClient, error) {
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		return nil, err
	}
	return &rawClient{Conn: c, br: bufio.NewReader(c)}, c.SetDeadline(time.Now().Add(deadline))
}

// send writes one GET for each target, in one write.
func (c *rawClient) send(targets ...string) {
	c.tb.Helper()
	var b strings.Builder
	for _, target := range targets {
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: origin\r\n\r\n", target)
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		c.tb.Fatal(err)
	}
}

// receive reads one answer.
func (c *rawClient) receive() (*http.Response, string, error) {
	resp, err := http.ReadResponse(c.br, &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// expect reads one answer and checks it.
func (c *rawClient) expect(status int, body string) *http.Response {
	c.tb.Helper()
	resp, got, err := c.receive()
	if err != nil || resp.StatusCode != status || got != body {
		c.tb.Fatalf("want %d %.100q, got %+v %.100q, %v", status, body, resp, got, err)
	}
	return resp
}

// ask sends one GET on a connection of its own, with header fields in pairs.
func ask(tb testing.TB, s *Server, method, target string, header ...string) (*http.Response, string) {
	tb.Helper()
	c := dial(tb, s)
	request := method + " " + target + " HTTP/1.1\r\nHost: origin\r\nConnection: close\r\n"
	for i := 0; i < len(header); i += 2 {
		request += header[i] + ": " + header[i+1] + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		tb.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp, string(body)
}

// page is a page as a client decodes it.
type page struct {
	FileNames []string
	NextFile  *string
}

// listAll walks a listing by the protocol alone and returns its pages.
func listAll(tb testing.TB, s *Server) []page {
	tb.Helper()
	var pages []page
	target := s.o.BasePath + "/list"
	for {
		resp, body := ask(tb, s, http.MethodGet, target)
		if resp.StatusCode != http.StatusOK {
			tb.Fatalf("%s: %d %s", target, resp.StatusCode, body)
		}
		var p page
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			tb.Fatalf("%s: %q: %v", target, body, err)
		}
		pages = append(pages, p)
		if p.NextFile == nil {
			return pages
		}
		target = s.o.BasePath + "/list?next-marker=" + percentEncode(*p.NextFile)
	}
}

// names returns the names of all pages.
func names(pages []page) []string {
	var all []string
	for _, p := range pages {
		all = append(all, p.FileNames...)
	}
	return all
}

// getTarget is the request target of a name as the protocol wants it.
func getTarget(s *Server, name string) string {
	elems := strings.Split(name, "/")
	for i := range elems {
		elems[i] = percentEncode(elems[i])
	}
	return s.o.BasePath + "/get/" + strings.Join(elems, "/")
}

// percentEncode encodes every byte that is not unreserved.
func percentEncode(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// newRand returns a source of randomness whose seed the test's log has.
func newRand(tb testing.TB) *rand.Rand {
	seed := rand.Uint64()
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

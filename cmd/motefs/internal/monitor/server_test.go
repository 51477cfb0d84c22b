package monitor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

func TestMain(m *testing.M) {
	// After a head that is too long net/http waits half a second, so that the answer is read.
	eventually.AllEnded(m)
}

// text answers with a text.
func text(s string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
}

func fine() error { return nil }

func listen(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Metrics == nil {
		o.Metrics = text("metrics")
	}
	if o.Healthy == nil {
		o.Healthy = fine
	}
	if o.Ready == nil {
		o.Ready = fine
	}
	o.Address = "127.0.0.1:0"
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends a request with a Host header, on a connection of its own.
func ask(t *testing.T, s *Server, method, path, host string) (status int, body string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		request.Host = host
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

func TestServer(t *testing.T) {
	sick, late := errors.New("the disk is gone"), errors.New("still starting")
	var healthy, ready error = nil, late
	s := listen(t, Options{Healthy: func() error { return healthy }, Ready: func() error { return ready }})
	s.Handle("GET /", text("the page"))
	for _, c := range []struct {
		method, path, host string
		status             int
		says               string
	}{
		{"GET", "/metrics", "", 200, "metrics"},
		{"HEAD", "/metrics", "", 200, ""},
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/readyz", "", 503, "still starting"},
		{"GET", "/anything", "", 200, "the page"},
		{"POST", "/metrics", "", 405, "read only"},
		{"DELETE", "/", "", 405, "read only"},
		{"GET", "/metrics", "evil.example", 403, "--metrics-host"},
		{"GET", "/", "evil.example:80", 403, "--metrics-host"},
		{"GET", "/metrics", "localhost", 200, "metrics"},
		{"GET", "/debug/pprof/", "", 200, "the page"}, // which has no profiles
	} {
		status, body, header := ask(t, s, c.method, c.path, c.host)
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s of %q: %d %q", c.method, c.path, c.host, status, body)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: %v", c.method, c.path, header)
		}
	}
	healthy, ready = sick, nil
	if status, body, _ := ask(t, s, "GET", "/healthz", ""); status != 503 || !strings.Contains(body, sick.Error()) {
		t.Errorf("%d %q", status, body)
	}
	if status, _, _ := ask(t, s, "GET", "/readyz", ""); status != 200 {
		t.Errorf("%d", status)
	}
}

func TestAddressInUse(t *testing.T) {
	s := listen(t, Options{})
	_, err := Listen(Options{Address: s.listener.Addr().String(), Metrics: text(""), Healthy: fine, Ready: fine})
	if !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), "address already in use") || strings.Count(err.Error(), "127.0.0.1") != 1 {
		t.Errorf("a second server: %v", err)
	}
}

// TestNobodyReads has as many clients as find a place ask for more than the kernel takes
// for them, and read nothing. Who asks on another connection is answered, and Close does not
// wait for them.
func TestNobodyReads(t *testing.T) {
	big := strings.Repeat("x", 4<<20)
	s := listen(t, Options{Metrics: text(big)})
	for range maxClients - 1 {
		c, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	for range 3 {
		if status, body, _ := ask(t, s, "GET", "/healthz", ""); status != 200 || body != "ok\n" {
			t.Errorf("%d %q", status, body)
		}
	}
}

// TestClientsAreBounded has one client more than there are places wait until another goes,
// where all of them are being answered.
func TestClientsAreBounded(t *testing.T) {
	end := make(chan struct{})
	s := listen(t, Options{Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})})
	defer close(end)
	var clients []net.Conn
	for range maxClients {
		c := dial(t, s)
		clients = append(clients, c)
		answered(t, c, "/metrics")
	}
	done := make(chan int, 1)
	go func() {
		status, _, _ := ask(t, s, "GET", "/healthz", "")
		done <- status
	}()
	select {
	case <-done:
		t.Error("one client too many is answered")
	default:
	}
	clients[0].Close()
	if status := <-done; status != 200 {
		t.Errorf("%d", status)
	}
}

// TestIdleClients take as many connections as there are, and keep them: the one that has
// asked for nothing for longest gives way, and the others stay.
func TestIdleClients(t *testing.T) {
	s := listen(t, Options{})
	var clients []net.Conn
	for range maxClients {
		c := dial(t, s)
		clients = append(clients, c)
		answered(t, c, "/healthz")
		eventually.True(t, "an idle connection", func() bool { return s.idle() == len(clients) })
	}
	answered(t, clients[0], "/healthz")
	eventually.True(t, "an idle connection", func() bool { return s.idle() == len(clients) })
	if status, body, _ := ask(t, s, "GET", "/healthz", ""); status != 200 || body != "ok\n" {
		t.Errorf("%d %q", status, body)
	}
	if _, err := io.ReadAll(clients[1]); err != nil {
		t.Errorf("the connection that is idle for longest: %v", err)
	}
	for _, c := range append(clients[2:], clients[0]) {
		answered(t, c, "/healthz")
	}
}

// TestSilentClients connect and say nothing, or not all.
func TestSilentClients(t *testing.T) {
	s := listen(t, Options{})
	for k := range maxClients {
		if c := dial(t, s); k%2 == 0 {
			fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: ")
		}
	}
	eventually.True(t, "all are connected", func() bool { return s.idle() == maxClients })
	for range 3 {
		if status, body, _ := ask(t, s, "GET", "/healthz", ""); status != 200 || body != "ok\n" {
			t.Errorf("%d %q", status, body)
		}
	}
}

// idle is how many connections have no request.
func (s *Server) idle() int {
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	return len(s.places.mu.idle)
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answered asks on a connection that is kept, and reads the answer's head, and the body of a
// probe.
func answered(t *testing.T, c net.Conn, path string) {
	t.Helper()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	response, err := http.ReadResponse(bufio.NewReaderSize(c, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 {
		t.Errorf("%s: %s", path, response.Status)
	}
	if path == "/healthz" {
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "ok\n" {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// TestLongHead is refused, and nothing more is read of it.
func TestLongHead(t *testing.T) {
	s := listen(t, Options{})
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		fmt.Fprintf(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
		for range 100 {
			fmt.Fprintf(c, "X-A: %s\r\n", strings.Repeat("a", 1000))
		}
	}()
	answer := make([]byte, 64)
	eventually.True(t, "an answer", func() bool { n, err := c.Read(answer); return n > 0 || err != nil })
	if !strings.HasPrefix(string(answer), "HTTP/1.1 431") {
		t.Errorf("%q", answer)
	}
}

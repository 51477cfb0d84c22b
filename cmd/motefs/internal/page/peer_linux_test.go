package page

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// asks asks for an address on a socket of a user's, and returns the status of the answer.
func asks(t *testing.T, uid int, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c := dialAs(t, uid, u.Host)
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", u.RequestURI(), u.Host)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// dialAs connects with a socket that is a user's: of the thread that makes it.
func dialAs(t *testing.T, uid int, address string) net.Conn {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if uid != os.Getuid() {
		if err := unix.Setfsuid(uid); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Setfsuid(os.Getuid()); err != nil {
				t.Fatal(err)
			}
		}()
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOthersSeeNoFiles: what a mount shows to its owner alone is not shown to all by a port.
func TestOthersSeeNoFiles(t *testing.T) {
	store := openStore(t)
	list(t, store, []string{"secret"}, put(strings.ToUpper))
	files := []string{"/api/files", "/api/file?name=" + keyOf("secret"), "/api/failures"}
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		s := serveOn(t, l, store, false)
		host := s.URL
		if listen == "[::]:0" { // an IPv4 connection of a listener for both
			host = "http://127.0.0.1:" + host[strings.LastIndex(host, ":")+1:]
		}
		for _, path := range files {
			if status := asks(t, os.Getuid(), host+path); status != 200 {
				t.Errorf("%s: the same user gets %s%s: %d", listen, host, path, status)
			}
			if os.Getuid() == 0 {
				if status := asks(t, 65534, host+path); status != 403 {
					t.Errorf("%s: another user gets %s: %d", listen, path, status)
				}
			}
		}
		if os.Getuid() == 0 {
			for _, path := range []string{"/", "/api/history"} {
				if status := asks(t, 65534, host+path); status != 200 {
					t.Errorf("%s: another user gets %s: %d", listen, path, status)
				}
			}
		}
	}
	if os.Getuid() != 0 {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, l, store, true)
	for _, path := range files {
		if status := asks(t, 65534, s.URL+path); status != 200 {
			t.Errorf("with Everyone another user gets %s: %d", path, status)
		}
	}
}

// TestOthersSeeNoNamesInEvents: what went wrong may name a file.
func TestOthersSeeNoNamesInEvents(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	s := serve(t, openStore(t))
	s.source.set(func(status map[string]any, _ *Meters) { status["last_error"] = "get secret: refused" })
	for uid, sees := range map[int]bool{0: true, 65534: false} {
		c := dialAs(t, uid, s.Listener.Addr().String())
		defer c.Close()
		fmt.Fprintf(c, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(response.Body).ReadString('\n')
		if err != nil || !strings.Contains(line, `"state"`) || strings.Contains(line, "secret") != sees {
			t.Errorf("user %d gets %q, %v", uid, line, err)
		}
	}
}

// TestAnotherMachineSeesNoFiles: an address that no socket of this machine has.
func TestAnotherMachineSeesNoFiles(t *testing.T) {
	for _, everyone := range []bool{false, true} {
		anotherMachine(t, everyone)
	}
}

func anotherMachine(t *testing.T, everyone bool) {
	t.Helper()
	p := Open(Options{Source: newFakeSource(), Tree: openStore(t), Everyone: everyone})
	t.Cleanup(func() { p.Close() })
	for _, remote := range []string{"192.0.2.7:4321", "127.0.0.1:1", "[2001:db8::1]:99", "@", ""} {
		request := httptest.NewRequest(http.MethodGet, "/api/files", nil)
		request.RemoteAddr = remote
		request = request.WithContext(contextWith(request, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9400}))
		if err := p.owns(request); err == nil {
			t.Errorf("%q is let in (Everyone: %t)", remote, everyone)
		}
	}
	if err := p.owns(httptest.NewRequest(http.MethodGet, "/api/files", nil)); err == nil {
		t.Error("a request without a connection is let in")
	}
}

package origin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

func TestRequest(t *testing.T) {
	got := make(chan string, 1)
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		b := make([]byte, 4096)
		n, _ := c.Read(b)
		got <- string(b[:n])
		c.File("{}")
	})
	o := at(s.URL()+"/a%20b//c/", wire.Options{UserAgent: "me", Header: http.Header{"authorization": {"Bearer x"}, "X": {"1", "2"}}})
	fetchAll(t, newClient(t, o), "n?")
	want := "GET /a%20b//c/get/n%3F HTTP/1.1\r\nHost: " + s.Addr() + "\r\nUser-Agent: me\r\nAccept-Encoding: identity\r\n" +
		"X: 1\r\nX: 2\r\nAuthorization: Bearer x\r\n\r\n"
	if g := <-got; g != want {
		t.Errorf("%q\nwant %q", g, want)
	}
	newClient(t, o).List(t.Context(), "a/b&c=\xff ")
	if g, want := <-got, "GET /a%20b//c/list?next-marker=a%2Fb%26c%3D%FF%20 HTTP/1.1\r\n"; !strings.HasPrefix(g, want) {
		t.Errorf("%q\nwant %q", g, want)
	}
}

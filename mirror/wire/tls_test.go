package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

func parsed(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestTLS(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path+r.Proto) })
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	var dials atomic.Int32
	trusting := srv.Client().Transport.(*http.Transport).TLSClientConfig
	c := newClient(t, Options{URL: parsed(t, srv.URL), TLS: trusting, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	for range 3 {
		names := numbered(1000)
		for i, r := range fetchAll(t, c, names...) {
			if r.err != nil || r.body != "/get/"+names[i]+"HTTP/1.1" {
				t.Fatalf("%d: %q, %v", i, r.body, r.err)
			}
		}
	}
	// Three for the guards, one for the probe; and as the files are the guards, those
	// connections have no more guards that are new to them that had all files.
	if dials.Load() > 9 {
		t.Errorf("%d connections", dials.Load())
	}
	if n := len(c.mu.idle); n != 1 {
		t.Errorf("%d idle connections", n)
	}
	if len(trusting.NextProtos) == 1 {
		t.Error("the caller's configuration was changed")
	}
	untrusting := newClient(t, Options{URL: parsed(t, srv.URL)})
	for _, r := range fetchAll(t, untrusting, "a", "b") {
		if !errors.Is(r.err, mirror.ErrUnreachable) {
			t.Error(r.err)
		}
	}
}

// TestTLSSurplus has surplus in the same record as an answer.
func TestTLSSurplus(t *testing.T) {
	src := httptest.NewUnstartedServer(nil)
	src.StartTLS()
	conf := src.TLS.Clone()
	conf.NextProtos = []string{"http/1.1"}
	conf.DynamicRecordSizingDisabled = true
	trusting := src.Client().Transport.(*http.Transport).TLSClientConfig
	src.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	s := wiretest.ServeOn(t, ln, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			// So long that it fills the client's buffer, and what else is in
			// its last record has to stay in that of TLS.
			body := target + strings.Repeat(".", readBuffer-len(target))
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", len(body), body)
		}
	})
	c := newClient(t, Options{URL: parsed(t, "https://"+s.Addr()), TLS: trusting})
	for i := range 2 { // no guards are known, so each is on a connection of its own
		r := fetchAll(t, c, fmt.Sprint(i))
		if r[0].err != nil || !strings.HasPrefix(r[0].body, fmt.Sprintf("/get/%d...", i)) {
			t.Errorf("%d: %.20q, %v", i, r[0].body, r[0].err)
		}
	}
	if body, _ := fetchOne(t.Context(), c, "/x"); !strings.HasPrefix(body, "/x...") || s.Dials() != 3 {
		t.Errorf("%.20q, %d connections; one with surplus bytes was used again", body, s.Dials())
	}
	names := numbered(20)
	for i, r := range fetchAll(t, c, names...) {
		if r.err == nil && !strings.HasPrefix(r.body, "/get/"+names[i]+"...") {
			t.Errorf("%d: %.20q", i, r.body)
		}
	}
}

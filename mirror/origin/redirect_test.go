package origin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// redirects are what an origin says to a get of "dir/bad".
var redirects = []struct {
	name, answer string
	close        bool   // then hang up
	body         string // wanted, unless err
	err          error
}{
	{name: "elsewhere", answer: "302 Found\r\nLocation: http://example.com/get/dir/bad\r\n", err: mirror.ErrRedirect},
	{name: "nowhere", answer: "301 Moved\r\n", err: mirror.ErrRedirect},
	{name: "badly", answer: "307 Moved\r\nLocation: http://[::1\r\n", err: mirror.ErrRedirect},
	{name: "another scheme", answer: "307 Moved\r\nLocation: https://HOST/get/dir/bad\r\n", err: mirror.ErrRedirect},
	{name: "another port", answer: "307 Moved\r\nLocation: http://127.0.0.1:1/get/dir/bad\r\n", err: mirror.ErrRedirect},
	{name: "user", answer: "307 Moved\r\nLocation: //u:p@HOST/get/dir/bad\r\n", err: mirror.ErrRedirect},
	{name: "login", answer: "302 Found\r\nLocation: /login\r\n", err: mirror.ErrRedirect},
	{name: "login and back", answer: "302 Found\r\nLocation: /login?next=/get/dir/bad\r\n", err: mirror.ErrRedirect},
	{name: "login and back in the fragment", answer: "302 Found\r\nLocation: /login#/get/dir/bad\r\n", err: mirror.ErrRedirect},
	{name: "another file", answer: "302 Found\r\nLocation: /get/dir/good\r\n", err: mirror.ErrRedirect},
	{name: "a part of the name", answer: "302 Found\r\nLocation: /get/bad\r\n", err: mirror.ErrRedirect},
	{name: "a longer name", answer: "302 Found\r\nLocation: /getdir/bad\r\n", err: mirror.ErrRedirect},
	{name: "round", answer: "302 Found\r\nLocation: bad\r\n", err: mirror.ErrRedirect},
	{name: "300", answer: "300 Choices\r\nLocation: /x/dir/bad\r\n", err: statusCode(300)},
	{name: "to odd bytes", answer: "308 Moved\r\nLocation: /else where/dir/bad?x y\r\n", body: "/else%20where/dir/bad?x%20y"},
	{name: "relative", answer: "303 Moved\r\nLocation: ../../z/dir/bad#f\r\n", body: "/z/dir/bad"},
	{name: "absolute", answer: "302 Found\r\nLocation: http://HOST/z/dir/bad\r\n", body: "/z/dir/bad"},
	{name: "with a ticket", answer: "302 Found\r\nLocation: /z/dir/bad?ticket=1\r\n", body: "/z/dir/bad?ticket=1"},
	{name: "encoded", answer: "302 Found\r\nLocation: /z/%64ir/bad\r\n", body: "/z/%64ir/bad"},
	{name: "and hang up", answer: "302 Found\r\nConnection: close\r\nLocation: /z/dir/bad\r\n", close: true, body: "/z/dir/bad"},
}

// TestRedirects asks for five files of which the third is redirected, before and
// after the guards are known: it is followed on the same host, to a path that ends
// in the same name, and nowhere else.
func TestRedirects(t *testing.T) {
	for _, a := range redirects {
		t.Run(a.name, func(t *testing.T) {
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					switch {
					case !ok:
						return
					case target != "/get/dir/bad":
						c.File(target)
						continue
					}
					c.Say("HTTP/1.1 %sContent-Length: 2\r\n\r\nno", strings.ReplaceAll(a.answer, "HOST", c.Server().Addr()))
					if a.close {
						c.CloseGently()
						return
					}
				}
			})
			c := newClient(t, Options{BaseURL: s.URL()})
			for range 2 {
				names := []string{"a", "b", "dir/bad", "c", "d"}
				r := fetchAll(t, c, names...)
				if bad := r[2]; a.err == nil && (bad.err != nil || bad.body != a.body) || a.err != nil && !matches(bad.err, a.err) {
					t.Errorf("%q, %v", bad.body, bad.err)
				}
				r[2] = result{body: "/get/dir/bad"}
				checkEcho(t, names, r)
			}
			if a.err != nil && a.name != "round" && s.Asked("/login")+s.Asked("/get/dir/good")+s.Asked("/get/bad") > 0 {
				t.Error("followed")
			}
		})
	}
}

// TestRedirectHops follows as many as maxHops in a row, for the listing too.
func TestRedirectHops(t *testing.T) {
	for hops := maxHops - 1; hops <= maxHops+1; hops++ {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				target, ok := c.Next()
				if !ok {
					return
				}
				n := strings.Count(target, "/x")
				switch {
				case n < hops:
					c.Say("HTTP/1.1 302 Found\r\nLocation: %s%s\r\nContent-Length: 0\r\n\r\n", strings.Repeat("/x", n+1), strings.ReplaceAll(target, "/x", ""))
				case strings.Contains(target, "list"):
					c.File(`{"FileNames":["a"]}`)
				default:
					c.File(target)
				}
			}
		})
		c := newClient(t, Options{BaseURL: s.URL()})
		for i, r := range fetchAll(t, c, "a", "b") {
			if hops <= maxHops && r.err != nil || hops > maxHops && !errors.Is(r.err, mirror.ErrRedirect) {
				t.Errorf("%d hops: %d: %v", hops, i, r.err)
			}
		}
		if _, err := c.List(t.Context(), ""); hops <= maxHops && err != nil || hops > maxHops && !errors.Is(err, mirror.ErrRedirect) {
			t.Errorf("%d hops: list: %v", hops, err)
		}
	}
}

// TestRedirectsOfMany has all files redirected: they go in rounds too.
func TestRedirectsOfMany(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			if moved, ok := strings.CutPrefix(target, "/get/"); ok {
				c.Say("HTTP/1.1 302 Found\r\nLocation: /there/%s\r\nContent-Length: 0\r\n\r\n", moved)
				continue
			}
			c.File(strings.Replace(target, "/there/", "/get/", 1))
		}
	})
	c := newClient(t, Options{BaseURL: s.URL()})
	names := numbered(500)
	for range 2 {
		checkEcho(t, names, fetchAll(t, c, names...))
	}
	if got := s.Dials(); got > 510 {
		t.Errorf("%d connections", got)
	}
}

// TestCancelBehindRedirects stops a call when some of its names were redirected
// and are to be asked for again: each is received, once, with why.
func TestCancelBehindRedirects(t *testing.T) {
	for _, closed := range []bool{false, true} {
		reached := make(chan struct{}, 1)
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				target, ok := c.Next()
				switch {
				case !ok:
					return
				case target == "/get/hang" || strings.HasPrefix(target, "/there"):
					select {
					case reached <- struct{}{}:
					default: // another has, and it is heard once
					}
					_, _ = io.Copy(io.Discard, c.Buf) // whatever else is asked for, until the client ends
					return
				case strings.HasPrefix(target, "/get/moved"):
					c.Say("HTTP/1.1 302 Found\r\nLocation: /there%s\r\nContent-Length: 0\r\n\r\n", target)
				default:
					c.File(target)
				}
			}
		})
		for _, names := range [][]string{{"a", "moved1", "b", "moved2", "hang", "c"}, {"a", "moved1", "b", "moved2", "moved3", "c"}} {
			c := newClient(t, Options{BaseURL: s.URL()})
			ctx, cancel := context.WithCancel(t.Context())
			want := context.Canceled
			go func() {
				<-reached
				if closed {
					c.Close()
				} else {
					cancel()
				}
			}()
			if closed {
				want = mirror.ErrClosed
			}
			results, err := fetchCtx(ctx, t, c, names)
			cancel()
			if !errors.Is(err, want) || !errors.Is(results[1].err, want) || !errors.Is(results[3].err, want) {
				t.Errorf("%v, then %v and %v", err, results[1].err, results[3].err)
			}
		}
	}
}

// TestStrikesBehindRedirects has names that are all redirected to where the
// origin hangs up, or to where it cannot be reached any more.
func TestStrikesBehindRedirects(t *testing.T) {
	for _, vanish := range []bool{false, true} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			target, ok := c.Next()
			if !ok || strings.HasPrefix(target, "/cut") {
				return
			}
			if vanish && strings.HasSuffix(target, "19") {
				c.Server().Vanish()
			}
			c.Say("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /cut%s\r\nContent-Length: 0\r\n\r\n", target)
			c.CloseGently()
		})
		for i, r := range fetchAll(t, newClient(t, Options{BaseURL: s.URL()}), numbered(20)...) {
			want := mirror.ErrUnreachable
			if i == 0 && !vanish { // charged after two of the strikes
				want = mirror.ErrCut
			}
			if !errors.Is(r.err, want) {
				t.Errorf("%d: %v, want %v", i, r.err, want)
			}
		}
	}
}

// TestProxy lists, fetches, and follows a redirect within the origin through a
// proxy.
func TestProxy(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		c.Buf = bufio.NewReader(c.Conn)
		for {
			target, ok := c.Next()
			switch {
			case !ok:
				return
			case target == "http://o.test/x/list?next-marker=m":
				c.File(`{"FileNames":["a"],"NextFile":"n"}`)
			case strings.HasSuffix(target, "/get/a"):
				c.Say("HTTP/1.1 302 Found\r\nLocation: http://o.test/b/a\r\nContent-Length: 0\r\n\r\n")
			default:
				c.File(target)
			}
		}
	})
	proxy := func(*url.URL) (*url.URL, error) { return s.Base(), nil }
	c := newClient(t, at("http://o.test/x", wire.Options{Proxy: proxy}))
	if page, err := c.List(t.Context(), "m"); err != nil || page.Next != "n" {
		t.Errorf("%q, %v", page.Next, err)
	}
	r := fetchAll(t, c, "a", "c")
	if got := fmt.Sprint(r[0].body, r[1].body); got != "http://o.test/b/ahttp://o.test/x/get/c" {
		t.Errorf("%q, %v, %v", got, r[0].err, r[1].err)
	}
}

package origin

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// listing answers a list with the page that its marker asks for: one name, and
// the next marker, up to ten.
func listing(target string) string {
	n := 0
	fmt.Sscanf(target, "/list?next-marker=%d", &n)
	if n == 9 {
		return fmt.Sprintf(`{"FileNames":["file-%d"]}`, n)
	}
	return fmt.Sprintf(`{"FileNames":["file-%d"],"NextFile":"%d"}`, n, n+1)
}

// TestPageTwice has an origin that answers one list twice, late. The page that
// comes again is that of the marker before, and leads to the marker that was asked
// for: it is asked for again, on a connection of its own.
func TestPageTwice(t *testing.T) {
	for _, late := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
		for _, odd := range []string{"/list", "/list?next-marker=1", "/list?next-marker=8", "/get/file-3"} {
			t.Run(fmt.Sprintf("%s/%v", strings.ReplaceAll(odd, "/", "-"), late), func(t *testing.T) {
				t.Parallel()
				var times atomic.Int32
				s := wiretest.Serve(t, func(c *wiretest.Conn) {
					l := wiretest.NewLate(c, 1)
					defer l.Wait()
					for {
						target, ok := c.Next()
						if !ok {
							return
						}
						answer := wiretest.OK(target)
						if strings.HasPrefix(target, "/list") {
							answer = wiretest.OK(listing(target))
						}
						if l.Send(answer); target == odd && times.Add(1) <= 3 {
							l.After(late, answer)
						}
						// So that what is late is there by then.
						if late > 0 && strings.HasPrefix(target, "/list") {
							time.Sleep(late)
						}
					}
				})
				c := newClient(t, Options{BaseURL: s.URL()})
				fetchAll(t, c, "file-0", "file-1", "file-3", "file-2") // the connection is in use for files too
				var all []string
				for marker, k := "", 0; ; k++ {
					page, err := c.List(t.Context(), marker)
					for tries := 0; err != nil && mirror.Temporary(err) && tries < 4; tries++ {
						page, err = c.List(t.Context(), marker)
					}
					if err != nil || k > 10 {
						t.Fatal(err, all)
					}
					entries, _, err := page.Decode(nil, 100, nil)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, names(entries)...)
					if marker = page.Next; marker == "" {
						break
					}
				}
				if len(all) != 10 || all[0] != "file-0" || all[9] != "file-9" {
					t.Errorf("%q", all)
				}
			})
		}
	}
}

// TestPageToItself is an origin of which a page really leads to itself: that it is
// so is what the caller gets, after one more look.
func TestPageToItself(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			if _, ok := c.Next(); !ok {
				return
			}
			c.File(`{"FileNames":["a"],"NextFile":"m"}`)
		}
	})
	c := newClient(t, Options{BaseURL: s.URL()})
	for k, want := range []int{1, 3, 5} { // the first is on a fresh connection
		if page, err := c.List(t.Context(), "m"); err != nil || page.Next != "m" || len(s.Targets()) != want || s.Dials() != k+1 {
			t.Errorf("%d: %q, %v, %d lists, %d connections", k, page.Next, err, len(s.Targets()), s.Dials())
		}
	}
}

// TestListRefused has a list that is answered with what is none, or badly, on a
// connection that was used before. Only what does not pass by itself is asked for
// again.
func TestListRefused(t *testing.T) {
	for _, a := range []struct {
		answer string
		fresh  string // on a fresh connection
		lists  int
		err    error
	}{
		{answer: wiretest.OK("/get/x"), fresh: wiretest.OK(`{"FileNames":["a"]}`), lists: 2},
		{answer: wiretest.OK("/get/x"), fresh: wiretest.OK("<html>"), lists: 2, err: mirror.ErrListing},
		{answer: "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", fresh: wiretest.OK(`{"FileNames":["a"]}`), lists: 2},
		{answer: "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", fresh: "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", lists: 2, err: mirror.ErrGone},
		{answer: "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", fresh: wiretest.OK(`{"FileNames":["a"]}`), lists: 2},
		{answer: "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", lists: 1, err: statusCode(503)},
		// As if it had been dead before, which is asked for again by One.
		{answer: "garbage", fresh: wiretest.OK(`{"FileNames":["a"]}`), lists: 2},
	} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for k := 0; ; k++ {
				target, ok := c.Next()
				switch {
				case !ok:
					return
				case !strings.HasPrefix(target, "/list"):
					c.File(target)
				case k == 0:
					c.Write([]byte(a.fresh))
				default:
					c.Write([]byte(a.answer))
				}
			}
		})
		c := newClient(t, Options{BaseURL: s.URL()})
		fetchAll(t, c, "a", "b")
		_, err := c.List(t.Context(), "")
		if !matches(err, a.err) || s.Asked("/list") != a.lists {
			t.Errorf("%.30q: %v, %d lists", a.answer, err, s.Asked("/list"))
		}
	}
}

// TestRangeTwice has the response of one part come again when another is asked
// for: it is not the part, and not taken for it. Where it says so, the origin may
// still have parts.
func TestRangeTwice(t *testing.T) {
	part := func(name string, off int64) string {
		return fmt.Sprintf("HTTP/1.1 206 Part\r\nETag: \"x\"\r\nContent-Range: bytes %d-%d/100\r\nContent-Length: 10\r\n\r\n%010.10s", off, off+9, fmt.Sprint(name, off))
	}
	for _, late := range []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond} {
		for _, what := range []string{"part", "another file's part", "file"} {
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				l := wiretest.NewLate(c, 1)
				defer l.Wait()
				for k := 0; ; k++ {
					target, ok := c.Next()
					if !ok {
						return
					}
					var off int64
					fmt.Sscanf(c.Range, "bytes=%d-", &off)
					answer := part(target, off)
					if l.Send(answer); k == 0 {
						if what == "file" {
							answer = wiretest.OK(target)
						}
						l.After(late, answer)
						time.Sleep(2 * late)
					}
				}
			})
			c := newClient(t, at(s.URL(), wire.Options{}))
			get := func(name string, off int64) (body string, err error) {
				p := mirror.Part{Off: off, Len: 10, Size: 100, ETag: `"x"`}
				err = c.FetchRange(t.Context(), name, p, func(obj *mirror.Object) error {
					b := make([]byte, 10)
					n, err := obj.Stream.Read(b)
					body = string(b[:n])
					return err
				})
				return body, err
			}
			get("a", 0)
			second, off := "a", int64(50)
			if what == "another file's part" {
				second, off = "b", 0
			}
			body, err := get(second, off)
			want := fmt.Sprintf("%010.10s", fmt.Sprint("/get/"+second, off))
			if err == nil && body != want || errors.Is(err, mirror.ErrRange) {
				t.Errorf("%s, %v late: %q, %v; want %q", what, late, body, err, want)
			}
		}
	}
}

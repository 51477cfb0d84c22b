package s3

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestLatePages has a server give, on a connection that was used before, the page of the
// request before once more, or an error of another: it is not believed. A server that
// never says which request it answers is asked on connections of their own.
func TestLatePages(t *testing.T) {
	const pages = 6
	page := func(n int, says bool) string {
		body := pageHead + contents(fmt.Sprintf("key-%d", n), "1", "")
		if says && n > 0 {
			body += fmt.Sprintf("<ContinuationToken>t%d</ContinuationToken>", n)
		}
		if n == pages-1 {
			body += "<IsTruncated>false</IsTruncated>"
		} else {
			body += fmt.Sprintf("<IsTruncated>true</IsTruncated><NextContinuationToken>t%d</NextContinuationToken>", n+1)
		}
		return wiretest.OK(body + "</ListBucketResult>")
	}
	for what, late := range map[string]struct {
		says bool
		of   func(n int) string
	}{
		"the page before":               {true, func(n int) string { return page(n-1, true) }},
		"an error":                      {true, func(int) string { return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" }},
		"the page before, with no echo": {false, func(n int) string { return page(n-1, false) }},
	} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for k := 0; ; k++ {
				target, ok := c.Next()
				if !ok {
					return
				}
				n := 0
				if _, rest, ok := strings.Cut(target, "continuation-token=t"); ok {
					fmt.Sscanf(rest, "%d&", &n)
				}
				if k > 0 && n > 0 {
					c.Write([]byte(late.of(n)))
				} else {
					c.Write([]byte(page(n, late.says)))
				}
			}
		})
		c, err := New(Options{Bucket: "bucket", Endpoint: s.URL(), Listers: 1})
		if err != nil {
			t.Fatal(err)
		}
		names, _ := walkAll(t, c, "")
		if want := []string{"key-0", "key-1", "key-2", "key-3", "key-4", "key-5"}; !slices.Equal(names, want) {
			t.Errorf("%s: %q", what, names)
		}
		if n := s.Dials(); n > pages {
			t.Errorf("%s: %d connections", what, n)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPrefixThatIsAKey has the prefix itself be a directory marker, and the first key: it
// is left out, and says nothing of the order.
func TestPrefixThatIsAKey(t *testing.T) {
	keys := []string{"p/"}
	for i := range 500 {
		keys = append(keys, fmt.Sprintf("p/%04d", i))
	}
	b := (&bucket{keys: keys, perPage: 50}).start(t)
	c := b.client(t, Options{Prefix: "p/", Listers: 4})
	names, _ := walkAll(t, c, "")
	if c.unordered.Load() {
		t.Error("it is taken for a server without order")
	}
	if len(names) != 500 {
		t.Errorf("%d names", len(names))
	}
}

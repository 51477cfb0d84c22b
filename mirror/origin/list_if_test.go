package origin

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// keptPage is what a caller keeps of a page.
type keptPage struct {
	marker, etag, next string
	names              []string
}

// follow walks a listing of which the caller has some pages, by their markers, and
// returns it as it is, with how many of the pages were not modified.
func follow(t *testing.T, c *Client, has map[string]keptPage) (pages []keptPage, same int) {
	t.Helper()
	for marker := ""; ; {
		old := has[marker]
		page, err := c.ListIf(t.Context(), marker, old.etag)
		switch {
		case errors.Is(err, mirror.ErrNotModified) && old.etag != "":
			same++
		case err != nil:
			t.Fatal(err)
		default:
			entries, _, err := decode(page, nil, 1000)
			if err != nil {
				t.Fatal(err)
			}
			old = keptPage{marker, page.ETag, page.Next, names(entries)}
		}
		pages = append(pages, old)
		if marker = old.next; marker == "" {
			return pages, same
		}
	}
}

// TestListIf follows a real server that changes.
func TestListIf(t *testing.T) {
	files := serve.SyntheticOptions{Files: 1000, Validators: true, Shuffle: true}
	was := serve.NewSynthetic(files)
	files.Edition = serve.SyntheticEdition{Changed: .5, Removed: .002, Added: .001}
	is := serve.NewSynthetic(files)
	sw := serve.NewSwitch(was)
	s := origintest.New(t, serve.Options{PageSize: 10}, sw)
	c := newClient(t, Options{BaseURL: s.URL()})
	has := map[string]keptPage{}
	check := func(src *serve.Synthetic, wantSame int) {
		t.Helper()
		pages, same := follow(t, c, has)
		if same != wantSame {
			t.Errorf("%d of %d pages are called not modified, want %d", same, len(pages), wantSame)
		}
		var got, want []string
		for _, p := range pages {
			got = append(got, p.names...)
			has[p.marker] = p
		}
		for k := range src.Len() {
			i := src.Listed(k)
			if !src.Removed(i) {
				want = append(want, src.Name(i))
			}
			if extra, ok := src.Added(i); ok {
				want = append(want, src.Name(extra))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d names, want %d", len(got), len(want))
		}
	}
	check(was, 0)
	check(was, 100)
	if n := s.Counts().Conns; n != 1 {
		t.Errorf("%d connections for pages with ETags of their own", n)
	}
	sw.Set(is)
	if n := is.EditionCounts(); n.Removed == 0 || n.Added == 0 {
		t.Fatalf("%+v tests nothing", n)
	}
	before := s.Counts().Status[304]
	pages, same := follow(t, c, has)
	if int64(same) != s.Counts().Status[304]-before || same == 0 || same == len(pages) {
		t.Errorf("%d of %d pages are called not modified, the server did so of %d", same, len(pages), s.Counts().Status[304]-before)
	}
	check(is, same)
	check(is, len(pages))
	// Where a file was asked for with a condition, each page has a connection of its own.
	fetchKnown(t, c, version{etag: `"x"`}, is.Name(0))
	conns := s.Counts().Conns
	check(is, len(pages))
	if n := s.Counts().Conns - conns; n != int64(len(pages)) {
		t.Errorf("%d connections for %d pages", n, len(pages))
	}
}

// TestListIfAnswers has a page with the ETag "a" be asked for on a connection that
// was used before, and perhaps on a fresh one.
func TestListIfAnswers(t *testing.T) {
	const page, body = `{"FileNames":["n"]}`, "body"
	status := func(code int, fields string) string {
		return fmt.Sprintf("HTTP/1.1 %d Status\r\n%s\r\n", code, fields)
	}
	unsure := status(304, "")
	for what, a := range map[string]struct {
		etag           string
		answer, fresh  string // where a condition is sent, and on a fresh connection
		lists          int
		want           error  // nil: the page
		unconditional  string // what comes without a condition, a page unless set
		neverCondition bool
	}{
		"same":                     {etag: `"a"`, answer: wiretest.NotModified(`"a"`), lists: 1, want: mirror.ErrNotModified},
		"same, weak":               {etag: `"a"`, answer: wiretest.NotModified(`W/"a"`), lists: 1, want: mirror.ErrNotModified},
		"changed":                  {etag: `"a"`, answer: wiretest.OK(page), lists: 1},
		"of which version?":        {etag: `"a"`, answer: unsure, fresh: unsure, lists: 2, want: mirror.ErrNotModified},
		"of which? of no other":    {etag: `"a"`, answer: unsure, fresh: wiretest.OK(page), lists: 2},
		"another version":          {etag: `"a"`, answer: wiretest.NotModified(`"b"`), fresh: wiretest.NotModified(`"a"`), lists: 2, want: mirror.ErrNotModified},
		"always another version":   {etag: `"a"`, answer: wiretest.NotModified(`"b"`), fresh: wiretest.NotModified(`"b"`), lists: 3},
		"never the page":           {etag: `"a"`, answer: unsure, fresh: wiretest.NotModified(`"b"`), lists: 3, unconditional: unsure, want: statusCode(304)},
		"unasked":                  {unconditional: unsure, lists: 2, want: statusCode(304)},
		"star":                     {etag: `*`, lists: 1, neverCondition: true},
		"line feed":                {etag: "\"a\r\nX: y\"", lists: 1, neverCondition: true},
		"without quotes":           {etag: `a`, lists: 1, neverCondition: true},
		"gone":                     {etag: `"a"`, answer: status(404, "Content-Length: 0\r\n"), fresh: status(404, "Content-Length: 0\r\n"), lists: 2, want: mirror.ErrGone},
		"busy":                     {etag: `"a"`, answer: status(503, "Content-Length: 0\r\n"), lists: 1, want: statusCode(503)},
		"with a body":              {etag: `"a"`, answer: status(304, "ETag: \"a\"\r\nContent-Length: 4\r\n") + body, lists: 1, want: mirror.ErrNotModified},
		"no page, then not at all": {etag: `"a"`, answer: wiretest.OK("x"), fresh: wiretest.NotModified(`"a"`), lists: 2, want: mirror.ErrNotModified},
	} {
		t.Run(what, func(t *testing.T) {
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for k := 0; ; k++ {
					target, ok := c.Next()
					have := c.Field("If-None-Match")
					if have != "" && a.neverCondition || c.Field("X") != "" {
						t.Errorf("a condition was sent: %q", have)
					}
					switch {
					case !ok:
						return
					case !strings.HasPrefix(target, "/list"):
						c.File(target)
					case have == "" && a.unconditional != "":
						c.Write([]byte(a.unconditional))
					case have == "":
						c.File(page)
					case k == 0:
						c.Write([]byte(a.fresh))
					default:
						c.Write([]byte(a.answer))
					}
				}
			})
			c := newClient(t, Options{BaseURL: s.URL()})
			fetchAll(t, c, "a", "b")
			got, err := c.ListIf(t.Context(), "", a.etag)
			if !matches(err, a.want) || a.want != nil && err == nil || s.Asked("/list") != a.lists {
				t.Errorf("%v, want %v; %d lists, want %d", err, a.want, s.Asked("/list"), a.lists)
			}
			if a.want == nil && err == nil {
				if entries, _, err := decode(got, nil, 10); err != nil || len(entries) != 1 {
					t.Errorf("%v, %v", entries, err)
				}
			}
			// The connection is worth as much as before.
			fetchAll(t, c, "a", "b")
		})
	}
}

// TestNotModifiedTwice has an origin answer one conditional request twice, late, and
// that be a 304. No other page is taken for unmodified by it, neither where each has
// an ETag of its own nor where all have one; nor by that of a file.
func TestNotModifiedTwice(t *testing.T) {
	for _, late := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
		for _, odd := range []string{"/list", "/list?next-marker=4", "/get/file-3"} {
			for _, shared := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/%v", strings.ReplaceAll(odd, "/", "-"), late, shared), func(t *testing.T) {
					t.Parallel()
					seed := rand.Uint64()
					t.Logf("seed %d", seed)
					tag := func(n int) string {
						if shared {
							return `"v"`
						}
						return fmt.Sprintf(`"%d"`, n)
					}
					var times atomic.Int32
					s := wiretest.Serve(t, func(c *wiretest.Conn) {
						l := wiretest.NewLate(c, seed)
						defer l.Wait()
						for {
							target, ok := c.Next()
							if !ok {
								return
							}
							have, n := c.Field("If-None-Match"), 0
							fmt.Sscanf(target, "/list?next-marker=%d", &n)
							answer := wiretest.OK(target)
							switch list := strings.HasPrefix(target, "/list"); {
							case have != "" && (!list || n%2 == 0): // odd pages have changed
								answer = wiretest.NotModified(have)
							case list:
								answer = wiretest.OK(listing(target))
							}
							if l.Send(answer); target == odd && have != "" && times.Add(1) <= 3 {
								l.After(late, answer)
							}
							// So that what is late is there by then.
							if late > 0 && have != "" {
								time.Sleep(late)
							}
						}
					})
					c := newClient(t, Options{BaseURL: s.URL()})
					fetchAll(t, c, "file-0", "file-1", "file-2")
					for range 2 {
						if strings.HasPrefix(odd, "/get") {
							fetchKnown(t, c, version{etag: tag(1)}, "file-3")
						}
						for n := range 10 {
							marker := ""
							if n > 0 {
								marker = fmt.Sprint(n)
							}
							page, err := c.ListIf(t.Context(), marker, tag(n))
							for tries := 0; err != nil && mirror.Temporary(err) && tries < 4; tries++ {
								page, err = c.ListIf(t.Context(), marker, tag(n))
							}
							if n%2 == 0 {
								if !errors.Is(err, mirror.ErrNotModified) {
									t.Errorf("page %d: %v", n, err)
								}
								continue
							}
							entries, _, decodeErr := decode(page, nil, 10)
							if err != nil || decodeErr != nil || len(entries) != 1 || entries[0].Name != fmt.Sprintf("file-%d", n) {
								t.Errorf("page %d: %v, %v, %v", n, entries, err, decodeErr)
							}
						}
					}
				})
			}
		}
	}
}

package origin

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// pages are bodies of 200 answers to a list request.
var pages = []struct {
	page  string
	names []string
	next  string
	err   string // part of an ErrListing, from List or from Decode
	// skipped are names that cannot be decoded.
	skipped []string
}{
	{page: `{"FileNames":["a","b"],"NextFile":"c"}`, names: []string{"a", "b"}, next: "c"},
	{page: ` { "NextFile" : "c" , "FileNames" : [ "a" , "b" ] } ` + "\r\n\t", names: []string{"a", "b"}, next: "c"},
	{page: `{"FileNames":[]}`},
	{page: `{"FileNames":[ ],"NextFile":"x"}`, next: "x"},
	{page: `{"FileNames":null,"NextFile":null}`},
	{page: `{"FileNames":["a"],"NextFile":""}`, names: []string{"a"}},
	{page: `{"FileNames":["a"],"NextFile":null}`, names: []string{"a"}},
	{page: `{"x":{"y":[1,{"z":"}]\""}],"FileNames":3},"n":-1.5e3,"FileNames":["a"],"t":true,"":"","NextFile":"b","e":[]}`, names: []string{"a"}, next: "b"},
	{page: `{"FileNames":["a"],"FileNames":["b","c"],"NextFile":"a","NextFile":"b"}`, names: []string{"b", "c"}, next: "b"},
	{page: `{"FileNames":["a"],"FileNames":null,"NextFile":"a","NextFile":null}`, next: "a"},
	{page: `{"File\u004eames":["a"],"Next\u0046ile":"b"}`, names: []string{"a"}, next: "b"},
	{page: `{"FileNames":["\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00\\","\\\"",""],"NextFile":"\\\""}`,
		names: []string{"\"\\/\b\f\n\r\tAé€😀\\", `\"`, ""}, next: `\"`},
	{page: "{\"FileNames\":[\"\xff\xfe\",\"a\xc3\",\"\x7f\"],\"NextFile\":\"\xff\"}", names: []string{"\xff\xfe", "a\xc3", "\x7f"}, next: "\xff"},
	{page: `{"FileNames":["\u0000"]}`, names: []string{"\x00"}},

	{page: `{"FileNames":["a","\ud800","b","\udc00\ud800"],"NextFile":"c"}`, names: []string{"a", "b"}, skipped: []string{`\ud800`, `\udc00\ud800`}, next: "c"},
	{page: `{"FileNames":["\ud800\u0041","\ud800x"]}`, skipped: []string{`\ud800\u0041`, `\ud800x`}},
	{page: `{"FileNames\ud800":["b"],"FileNames":["a"],"\udc00":[]}`, names: []string{"a"}},

	{page: ``, err: "not JSON"},
	{page: `<!DOCTYPE html><title>Log in</title>`, err: `content type "text/html", page begins "<!DOCTYPE html><title>Log in`},
	{page: `null`, err: "not JSON"},
	{page: `[]`, err: "not JSON"},
	{page: `{}`, err: "without FileNames"},
	{page: `{"Message":"slow down"}`, err: "without FileNames"},
	{page: `{"NextFile":"b"}`, err: "without FileNames"},
	{page: `{"filenames":["a"]}`, err: "without FileNames"},
	{page: `{"FileNames":"a"}`, err: "no array"},
	{page: `{"FileNames":{"a":1}}`, err: "no array"},
	{page: `{"FileNames":[1]}`, err: "not a string"},
	{page: `{"FileNames":["a",null]}`, err: "not a string"},
	{page: `{"FileNames":["a",]}`, err: "not a string"},
	{page: `{"FileNames":[,"a"]}`, err: "not a string"},
	{page: `{"FileNames":["a" "b"]}`, err: "not JSON"},
	{page: `{"FileNames":["a"]`, err: "not JSON"},
	{page: `{"FileNames":["a"`, err: "not JSON"},
	{page: `{"FileNames":["a`, err: "not a string"},
	{page: `{"FileNames":["a\"]}`, err: "not a string"},
	{page: `{"FileNames":["a"],}`, err: "not JSON"},
	{page: `{"FileNames":["a"],"NextFile":7}`, err: "NextFile is no string"},
	{page: `{"FileNames":["a"],"NextFile":false}`, err: "NextFile is no string"},
	{page: `{"FileNames":["a"],"NextFile":"\ud800"}`, err: "lone surrogate"},
	{page: `{"FileNames":["a"]} x`, err: "after the object"},
	{page: `{"FileNames":["a"]}{}`, err: "after the object"},
	{page: `{"FileNames":["a"],"x":}`, err: "not JSON"},
	{page: `{"FileNames":["a"],"x":[}]}`, err: "not JSON"},
	{page: `{"FileNames":["a"],"x":tru}`, err: "not JSON"},
	{page: `{"FileNames":["a"],"x":[[[}`, err: "not JSON"},
	{page: `{"FileNames":nul}`, err: "no array"},
	{page: `{"FileNames":nullx}`, err: "not JSON"},
	{page: `{FileNames:["a"]}`, err: "not JSON"},
	{page: "\ufeff" + `{"FileNames":[]}`, err: "not JSON"},
	{page: `{"FileNames":["a"],"NextFile":"` + strings.Repeat("m", maxMarker+1) + `"}`, err: "next marker of 65537 bytes"},
	{page: "{\"FileNames\":[\"a\nb\"]}", err: "control character"},
	{page: "{\"FileNames\":[\"long enough for words \x00\"]}", err: "control character"},
	{page: `{"FileNames":["\x"]}`, err: "escape"},
	{page: `{"FileNames":["\u12"]}`, err: "escape"},
	{page: `{"FileNames":["\u12g4"]}`, err: "escape"},
	{page: `{"FileNames":["\ud800\x"]}`, err: "escape"},
	{page: "{\"FileNames\":[\"\\ud800\n\"]}", err: "control character"},
}

func names(entries []mirror.Listed) (names []string) {
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

// decode decodes a whole page in pieces.
func decode(page mirror.Page, dst []mirror.Listed, most int) (_ []mirror.Listed, skipped []string, err error) {
	for {
		had := len(dst) + len(skipped)
		var more bool
		dst, more, err = page.Decode(dst, most, func(name string, _ error) { skipped = append(skipped, name) })
		if n := len(dst) + len(skipped) - had; err == nil && (n > most || more && n < most) {
			err = fmt.Errorf("a piece of %d names, more %v, asked for %d", n, more, most)
		}
		if err != nil || !more {
			return dst, skipped, err
		}
	}
}

func TestPages(t *testing.T) {
	i, refused := 0, 0
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			if _, ok := c.Next(); !ok {
				return
			}
			p := pages[i].page
			c.Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s", len(p), p)
		}
	})
	c := newClient(t, Options{BaseURL: s.URL()})
	for i = range pages {
		p := pages[i]
		page, err := c.List(t.Context(), "m")
		if err != nil {
			refused++
		}
		var entries []mirror.Listed
		var skipped []string
		if err == nil {
			entries, skipped, err = decode(page, []mirror.Listed{{Name: "before"}}, 1+i%3)
		}
		if p.err != "" {
			if !errors.Is(err, mirror.ErrListing) || mirror.Temporary(err) || !strings.Contains(err.Error(), p.err) {
				t.Errorf("%.60s: %v", p.page, err)
			}
			continue
		}
		if err != nil || page.Next != p.next || !slices.Equal(names(entries[1:]), p.names) || !slices.Equal(skipped, p.skipped) || entries[0].Name != "before" {
			t.Errorf("%s: %q, without %q, next %q, %v", p.page, names(entries), skipped, page.Next, err)
		}
		if page.Size < len(p.page) {
			t.Errorf("size %d for %d bytes", page.Size, len(p.page))
		}
		for _, e := range entries[1:] {
			if e.Size != -1 {
				t.Errorf("size %d", e.Size)
			}
		}
		if again, more, err := page.Decode(nil, 1, nil); len(again) > 0 || more || err != nil {
			t.Errorf("after the end: %q, %v, %v", names(again), more, err)
		}
	}
	// What is no page is asked for again on a fresh connection.
	if s.Dials() != 1+refused {
		t.Errorf("%d connections, %d pages refused", s.Dials(), refused)
	}
}

// TestListAnswers has answers to list requests that are odd as answers.
func TestListAnswers(t *testing.T) {
	page := `{"FileNames":["a"],"NextFile":"b"}`
	for _, a := range []struct {
		name, answer string
		err          []error
	}{
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + page[:5] + "\r\n1d\r\n" + page[5:] + "\r\n0\r\n\r\n", nil},
		{"until close", "HTTP/1.1 200 OK\r\n\r\n" + page, nil},
		{"cut", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + page, []error{mirror.ErrCut}},
		{"silence", "", []error{mirror.ErrCut}},
		{"framing", "garbage", []error{mirror.ErrFraming}},
		{"too large", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + page, []error{mirror.ErrListing, mirror.ErrTooLarge}},
		{"too large chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + strings.Repeat("x", 2000) + "\r\n0\r\n\r\n", []error{mirror.ErrListing, mirror.ErrTooLarge}},
		{"gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", []error{mirror.ErrListing, wire.ErrEncoding}},
		{"gone", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", []error{statusCode(404)}},
		{"busy", "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", []error{statusCode(503)}},
		{"partial", "HTTP/1.1 206 Part\r\nContent-Length: 0\r\n\r\n", []error{statusCode(206)}},
		{"elsewhere", "HTTP/1.1 302 Found\r\nLocation: //example.com/\r\nContent-Length: 0\r\n\r\n", []error{mirror.ErrRedirect}},
		{"moved", "HTTP/1.1 302 Found\r\nLocation: /there/list\r\nContent-Length: 0\r\n\r\n", nil},
		{"login", "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", []error{mirror.ErrRedirect}},
		{"round", "HTTP/1.1 302 Found\r\nLocation: /base/list\r\nContent-Length: 0\r\n\r\n", []error{mirror.ErrRedirect}},
	} {
		t.Run(a.name, func(t *testing.T) {
			s := wiretest.Serve(t, func(c *wiretest.Conn) {
				for {
					target, ok := c.Next()
					switch {
					case !ok:
						return
					case target == "/there/list":
						c.File(page)
						continue
					}
					c.Say("%s", a.answer)
					if !strings.Contains(a.answer, "Content-Length: 0") {
						c.CloseGently()
						return
					}
				}
			})
			p, err := newClient(t, Options{BaseURL: s.URL() + "/base", MaxPageBytes: 1000}).List(t.Context(), "")
			if len(a.err) == 0 && (err != nil || p.Next != "b") {
				t.Errorf("%q, %v", p.Next, err)
			}
			for _, want := range a.err {
				if !matches(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
			}
		})
	}
}

func TestListUnreachable(t *testing.T) {
	s := wiretest.Serve(t, func(*wiretest.Conn) {})
	s.Vanish()
	_, err := newClient(t, Options{BaseURL: s.URL()}).List(t.Context(), "m")
	if !errors.Is(err, mirror.ErrUnreachable) || !mirror.Temporary(err) || !strings.Contains(err.Error(), `"m"`) {
		t.Error(err)
	}
}

func TestLongMarker(t *testing.T) {
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			c.File(fmt.Sprintf(`{"FileNames":[%q]}`, target))
		}
	})
	c := newClient(t, Options{BaseURL: s.URL()})
	if _, err := c.List(t.Context(), strings.Repeat("\xff", maxMarker)); err != nil {
		t.Error(err)
	}
	if _, err := c.List(t.Context(), strings.Repeat("m", maxMarker+1)); !errors.Is(err, mirror.ErrListing) || len(err.Error()) > 1000 {
		t.Error(err)
	}
}

// TestEndlessPage has lists that never end, and a marker of a megabyte.
func TestEndlessPage(t *testing.T) {
	page := fmt.Sprintf(`{"FileNames":["a"],"NextFile":%q}`, strings.Repeat("m", 1<<20))
	for start, want := range map[string]error{
		"Transfer-Encoding: chunked\r\n\r\n": mirror.ErrTooLarge,
		"\r\n":                               mirror.ErrTooLarge,
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(page), page): mirror.ErrListing,
	} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			c.Next()
			c.Say("HTTP/1.1 200 OK\r\n%s", start)
			if strings.HasPrefix(start, "Content-Length") {
				return
			}
			for junk := []byte("400\r\n" + strings.Repeat(" ", 1024) + "\r\n"); ; {
				if _, err := c.Write(junk); err != nil {
					return
				}
			}
		})
		_, err := newClient(t, Options{BaseURL: s.URL(), MaxPageBytes: 4 << 20}).List(t.Context(), "")
		if !errors.Is(err, want) || !errors.Is(err, mirror.ErrListing) || len(err.Error()) > 1000 {
			t.Errorf("%.50q: %.300v", start, err)
		}
	}
}

// FuzzPage holds the decoder against encoding/json. They differ by intent where
// a page is not UTF-8, has a lone surrogate or an entry that is null, and in the
// case of keys.
func FuzzPage(f *testing.F) {
	for _, p := range pages {
		f.Add([]byte(p.page))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept := string(raw)
		s := skimmer{b: raw}
		err := s.page()
		var got []mirror.Listed
		skipped := 0
		if err == nil {
			d := s.decoder()
			for d.left > 0 && err == nil {
				got, err = d.next(got, 3, func(string, error) { skipped++ })
			}
		}
		if string(raw) != kept {
			t.Fatal("the page was changed")
		}
		if err != nil && !errors.Is(err, mirror.ErrListing) {
			t.Fatal(err)
		}
		var want struct {
			FileNames []*string
			NextFile  string
		}
		wrong := json.Unmarshal(raw, &want)
		if skipped > 0 && !strings.Contains(strings.ToLower(kept), `\ud`) {
			t.Fatalf("%q: left out %d names", raw, skipped)
		}
		if err == nil && !json.Valid(raw) {
			t.Fatalf("took %q for a page", raw)
		}
		if err != nil || wrong != nil || !utf8.Valid(raw) || strings.Contains(strings.ToLower(kept), `\ud`) || foldedKeys(raw) {
			return
		}
		if s.next != want.NextFile || len(got) != len(want.FileNames) {
			t.Fatalf("%q: %q, next %q; want %d names, next %q", raw, names(got), s.next, len(want.FileNames), want.NextFile)
		}
		for i, w := range want.FileNames {
			if got[i].Name != *w {
				t.Fatalf("%q: name %d is %q, want %q", raw, i, got[i].Name, *w)
			}
		}
	})
}

// foldedKeys reports keys that only encoding/json takes for ours.
func foldedKeys(raw []byte) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil {
		return true
	}
	for key := range keys {
		if key != "FileNames" && key != "NextFile" && (strings.EqualFold(key, "FileNames") || strings.EqualFold(key, "NextFile")) {
			return true
		}
	}
	return false
}

// FuzzString holds the string decoder against encoding/json.
func FuzzString(f *testing.F) {
	for _, s := range []string{``, `a`, `\n`, `\u00e9`, `\ud83d\ude00`, `\ud800`, `\\`, "\x00", "12345678\x1f", "ü", `\u`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !utf8.Valid(raw) {
			return
		}
		got, err := unquote(nil, raw)
		if err == nil && clean(raw) && string(got) != string(raw) {
			t.Fatalf("%q is not clean", raw)
		}
		if err != nil && clean(raw) {
			t.Fatalf("%q is clean, but %v", raw, err)
		}
		var want string
		wrong := json.Unmarshal([]byte(`"`+string(raw)+`"`), &want)
		if err != nil && strings.Contains(err.Error(), "lone surrogate") {
			return
		}
		if slices.Contains(raw, '"') {
			return // it would have ended the string
		}
		if (err == nil) != (wrong == nil) || err == nil && string(got) != want {
			t.Fatalf("%q: %q, %v; want %q, %v", raw, got, err, want, wrong)
		}
	})
}

// TestMillionsOfNamesInAPage decodes a page of five million names of eight bytes:
// that takes the page and a piece.
func TestMillionsOfNamesInAPage(t *testing.T) {
	const count, piece = 2_000_000, 1000
	const most = 1 << 20 // bytes, beside the page
	raw := append(make([]byte, 0, count*11+100), `{"FileNames":[`...)
	for i := range count {
		raw = fmt.Appendf(raw, `"%08d",`, i)
	}
	raw = append(raw[:len(raw)-1], "]}"...)
	c := newClient(t, Options{BaseURL: "http://127.0.0.1:1"})
	before := heap()
	page, err := c.newPage(raw, &pageRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var dst []mirror.Listed
	for n, more := 0, true; more; n += len(dst) {
		if dst, more, err = page.Decode(dst[:0], piece, nil); err != nil {
			t.Fatal(err)
		}
		if len(dst) != piece || dst[piece-1].Name != fmt.Sprintf("%08d", n+piece-1) {
			t.Fatalf("%d names from %d on, the last is %q", len(dst), n, dst[len(dst)-1].Name)
		}
		if more == (n+piece == count) {
			t.Fatalf("after %d names, more is %v", n+piece, more)
		}
		if n%(count/10) == 0 {
			if now := heap(); now > before+most {
				t.Fatalf("after %d names, %d bytes beside the page's %d", n, now-before, len(raw))
			}
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestNamesOfAnyLength decodes names that are short, long, escaped or not, in
// pieces of any length.
func TestNamesOfAnyLength(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 50 {
		want := []string{}
		for range rng.IntN(3000) {
			longest := 40
			if rng.IntN(200) == 0 {
				longest = 3 * arenaSize
			}
			n := rng.IntN(longest)
			want = append(want, strings.Repeat([]string{"x", "\n", "é"}[rng.IntN(3)], n/2)+fmt.Sprint(n))
		}
		raw, err := json.Marshal(map[string][]string{"FileNames": want})
		if err != nil {
			t.Fatal(err)
		}
		page, err := newClient(t, Options{BaseURL: "http://127.0.0.1:1"}).newPage(raw, &pageRequest{})
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := decode(page, nil, 1+rng.IntN(1200))
		if err != nil || !slices.Equal(names(got), want) {
			t.Fatalf("%d names, want %d; %v", len(got), len(want), err)
		}
	}
}

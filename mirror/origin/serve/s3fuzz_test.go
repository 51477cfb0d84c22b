package serve

import (
	"encoding/xml"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// isXML reports whether all of s can stand in a document.
func isXML(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
	})
}

func FuzzAppendXML(f *testing.F) {
	for _, s := range []string{"", "a", "<a>&amp;'\"", "\t\r\n", "é\U0001f600", "]]>", "\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		doc := appendElement([]byte("x"), "v", s)[1:]
		if err := xml.Unmarshal(doc, &got); isXML(s) && (err != nil || got != s) {
			t.Errorf("%q is written as %q and read as %q, %v", s, doc, got, err)
		}
	})
}

func FuzzAppendURL(f *testing.F) {
	for _, s := range []string{"", "a/b c+d%", "\x00\xff", "é"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		encoded := string(appendURL([]byte("x"), s)[1:])
		if got, err := url.QueryUnescape(encoded); err != nil || got != string(s) || !isXML(encoded) || strings.ContainsAny(encoded, "<&>") {
			t.Errorf("%q is written as %q and read as %q, %v", s, encoded, got, err)
		}
	})
}

// FuzzS3Query lists by a query. What is not refused comes in a document, no longer
// than it may be, and ends.
func FuzzS3Query(f *testing.F) {
	for _, s := range []string{
		"", "list-type=2", "list-type=2&prefix=d000001%2F&max-keys=3", "list-type=2&delimiter=/&max-keys=2&start-after=d000002",
		"list-type=2&continuation-token=%2B%2F%2F%2FYQ%3D%3D", "delimiter=0&marker=d000001/file-0", "max-keys=0", "encoding-type=url&prefix=+%ff",
		"list-type=2&continuation-token=%2B/%2B%2B/%2Bw", "acl", "location&=&&", "delimiter=%&prefix=%zz",
	} {
		f.Add([]byte(s))
	}
	src := NewSynthetic(SyntheticOptions{Files: 100, FilesPerDir: 9, S3ETags: true, Edition: SyntheticEdition{Removed: .2, Added: .2}})
	f.Fuzz(func(t *testing.T, query []byte) {
		var q s3Query
		var p s3Page
		if q.parse(query) != nil {
			return
		}
		readable := isXML(string(q.prefix)) && isXML(string(q.delimiter)) && isXML(string(q.startAfter)) || q.url
		seen := map[string]bool{}
		for range 300 {
			p.begin(&q, q.maxKeys)
			if q.maxKeys > 0 {
				if err := p.fill(src); err != nil {
					t.Fatal(err)
				}
			}
			var doc struct {
				KeyCount *int
				Contents []struct{ Key string }
				Prefixes []struct{ Prefix string } `xml:"CommonPrefixes"`
			}
			body := p.end("motefs")
			if err := xml.Unmarshal(body, &doc); readable && err != nil {
				t.Fatalf("%q: %v of %s", query, err, body)
			}
			n := len(doc.Contents) + len(doc.Prefixes)
			if readable && (n > q.maxKeys || q.v2 && *doc.KeyCount != n) {
				t.Fatalf("%q: %s", query, body)
			}
			for _, c := range doc.Contents {
				if seen[c.Key] {
					t.Fatalf("%q lists %q twice", query, c.Key)
				}
				seen[c.Key] = true
			}
			if !p.more {
				return
			}
			q.hasToken, q.token = true, appendToken(nil, p.last, p.lastAll)
			if q.after = q.after[:0]; q.setAfter() != nil {
				t.Fatalf("%q: its token %q is refused", query, q.token)
			}
		}
		t.Fatalf("%q does not end", query)
	})
}

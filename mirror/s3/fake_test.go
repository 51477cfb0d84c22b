package s3

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// bucket is an S3 server of one bucket, as slow and as wrong as a test wants it. It is
// written with the standard library alone: nothing of it is the client's.
type bucket struct {
	keys    []string // sorted, unless a test wants otherwise
	body    func(key string) string
	perPage int
	latency time.Duration
	// before, where it is set, sees each request first; true: it has answered.
	before func(w http.ResponseWriter, r *http.Request) bool
	// after is from which key on a page begins, where StartAfter is not what a test wants.
	after func(startAfter string) string

	lists, gets, most atomic.Int64
	now               atomic.Int64
	*httptest.Server
}

func (b *bucket) start(t testing.TB) *bucket {
	if b.perPage == 0 {
		b.perPage = 1000
	}
	b.Server = httptest.NewServer(b)
	t.Cleanup(func() {
		b.CloseClientConnections()
		b.Close()
	})
	return b
}

func (b *bucket) client(t testing.TB, o Options) *Client {
	t.Helper()
	if o.Bucket == "" {
		o.Bucket = "bucket"
	}
	o.Endpoint = b.URL
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.before != nil && b.before(w, r) {
		return
	}
	path, err := url.PathUnescape(r.URL.EscapedPath())
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	key, isObject := strings.CutPrefix(path, "/bucket/")
	if isObject && key != "" {
		b.gets.Add(1)
		b.get(w, r, key)
		return
	}
	b.lists.Add(1)
	for n := b.now.Add(1); ; {
		if old := b.most.Load(); n <= old || b.most.CompareAndSwap(old, n) {
			break
		}
	}
	defer b.now.Add(-1)
	time.Sleep(b.latency) // as a longer wire would
	b.list(w, r.URL.Query())
}

func etagOf(key string) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", len(key)*7919)) }

var fakeTime = time.Date(2024, 2, 29, 12, 30, 59, 0, time.UTC)

func (b *bucket) get(w http.ResponseWriter, r *http.Request, key string) {
	if !slices.Contains(b.keys, key) {
		refuse(w, http.StatusNotFound, "NoSuchKey", "")
		return
	}
	w.Header().Set("ETag", etagOf(key))
	body := key
	if b.body != nil {
		body = b.body(key)
	}
	http.ServeContent(w, r, "", fakeTime, strings.NewReader(body))
}

func refuse(w http.ResponseWriter, status int, code, more string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>%s</Code><Message>in &lt;words&gt;</Message>%s</Error>", code, more)
}

type xmlObject struct {
	Key, LastModified, ETag, StorageClass string
	Size                                  int
}

type xmlPage struct {
	XMLName                                              xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix, EncodingType                           string
	IsTruncated                                          bool
	ContinuationToken, StartAfter, NextContinuationToken string `xml:",omitempty"`
	Contents                                             []xmlObject
}

// list answers a request for the listing. Tokens are positions, in a form of their own.
func (b *bucket) list(w http.ResponseWriter, q url.Values) {
	from := 0
	startAfter := q.Get("start-after")
	if b.after != nil {
		startAfter = b.after(startAfter)
	}
	if token := q.Get("continuation-token"); token != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(token, "to/k+n="))
		if err != nil {
			refuse(w, http.StatusBadRequest, "InvalidArgument", "")
			return
		}
		from = n
	} else if startAfter != "" {
		from = sort.Search(len(b.keys), func(i int) bool { return b.keys[i] > startAfter })
	}
	p := xmlPage{Name: "bucket", Prefix: url.QueryEscape(q.Get("prefix")), EncodingType: "url", ContinuationToken: q.Get("continuation-token"), StartAfter: url.QueryEscape(q.Get("start-after"))}
	i := from
	for ; i < len(b.keys) && len(p.Contents) < b.perPage; i++ {
		if key := b.keys[i]; strings.HasPrefix(key, q.Get("prefix")) {
			size := len(key)
			if strings.HasSuffix(key, "/") {
				size = 0 // a directory marker
			}
			p.Contents = append(p.Contents, xmlObject{Key: url.QueryEscape(key), LastModified: fakeTime.Format("2006-01-02T15:04:05.000Z"), ETag: etagOf(key), Size: size, StorageClass: "STANDARD"})
		}
	}
	for ; i < len(b.keys) && !strings.HasPrefix(b.keys[i], q.Get("prefix")); i++ {
	}
	if i < len(b.keys) {
		p.IsTruncated, p.NextContinuationToken = true, fmt.Sprintf("to/k+n=%d", i)
	}
	w.Header().Set("Content-Type", "application/xml")
	io.WriteString(w, xml.Header)
	xml.NewEncoder(w).Encode(p)
}

// walkAll lists from a marker to the end, and returns the names and the number of pages.
func walkAll(t testing.TB, c *Client, marker string) (names []string, pages int) {
	t.Helper()
	for {
		p, err := c.List(t.Context(), marker)
		if err != nil {
			t.Fatalf("page %d: %v", pages, err)
		}
		names = append(names, namesOf(t, p)...)
		pages++
		if p.Next == "" {
			return names, pages
		}
		if p.Next == marker {
			t.Fatalf("the marker %q comes again", marker)
		}
		marker = p.Next
	}
}

func namesOf(t testing.TB, p mirror.Page) (names []string) {
	for more := true; more; {
		var some []mirror.Listed
		var err error
		some, more, err = p.Decode(nil, 300, func(name string, why error) { t.Errorf("%q is left out: %v", name, why) })
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range some {
			names = append(names, l.Name)
		}
	}
	return names
}

// recorder keeps what was asked for.
type recorder struct {
	sync.Mutex
	asked []string
}

func (r *recorder) add(s string) {
	r.Lock()
	defer r.Unlock()
	r.asked = append(r.asked, s)
}

// all is what was added so far.
func (r *recorder) all() []string {
	r.Lock()
	defer r.Unlock()
	return slices.Clone(r.asked)
}

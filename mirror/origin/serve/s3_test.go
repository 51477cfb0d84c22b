package serve_test

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// s3Listing is a page of a listing as encoding/xml reads it.
type s3Listing struct {
	XMLName                                  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix, Delimiter, EncodingType    string
	StartAfter, Marker, NextMarker           *string
	ContinuationToken, NextContinuationToken *string
	KeyCount                                 *int
	MaxKeys                                  int
	IsTruncated                              bool
	Contents                                 []s3Content
	CommonPrefixes                           []struct{ Prefix string }
}

type s3Content struct {
	Key, ETag, StorageClass string
	LastModified            time.Time
	Size                    int64
}

// names are the keys and common prefixes in their order.
func (l *s3Listing) names() (all []string) {
	for _, c := range l.Contents {
		all = append(all, c.Key)
	}
	for _, c := range l.CommonPrefixes {
		all = append(all, c.Prefix)
	}
	slices.Sort(all)
	return all
}

// s3List asks for a page of the bucket.
func s3List(t *testing.T, addr string, params ...string) (l s3Listing) {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	resp, body := rawhttp.Ask(t, addr, "GET", "/motefs?"+q.Encode())
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/xml" || resp.Header.Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Fatalf("%v: %+v %s", params, resp, body)
	}
	if err := xml.Unmarshal([]byte(body), &l); err != nil {
		t.Fatalf("%v: %v of %s", params, err, body)
	}
	if l.EncodingType == "url" {
		unescape := func(s *string) {
			plain, err := url.QueryUnescape(*s)
			if err != nil {
				t.Fatal(err)
			}
			*s = plain
		}
		for i := range l.Contents {
			unescape(&l.Contents[i].Key)
		}
		for i := range l.CommonPrefixes {
			unescape(&l.CommonPrefixes[i].Prefix)
		}
		for _, s := range []*string{&l.Prefix, &l.Delimiter, l.StartAfter, l.Marker, l.NextMarker} {
			if s != nil {
				unescape(s)
			}
		}
	}
	return l
}

// s3Walk walks a whole listing and holds each page to what was asked for.
func s3Walk(t *testing.T, addr string, most int, params ...string) (all []string) {
	t.Helper()
	token := ""
	for {
		ask := append([]string{"list-type", "2", "max-keys", fmt.Sprint(most)}, params...)
		if token != "" {
			ask = append(ask, "continuation-token", token)
		}
		l := s3List(t, addr, ask...)
		names := l.names()
		if *l.KeyCount != len(names) || len(names) > most || l.MaxKeys != most || l.Name != "motefs" || l.IsTruncated != (l.NextContinuationToken != nil) ||
			l.IsTruncated && len(names) < most || token != "" && (l.ContinuationToken == nil || *l.ContinuationToken != token) {
			t.Fatalf("%v: %+v", ask, l)
		}
		all = append(all, names...)
		if !l.IsTruncated {
			return all
		}
		token = *l.NextContinuationToken
	}
}

// s3Want is what a listing should have, the long way.
func s3Want(keys []string, prefix, delimiter, after string) []string {
	want := map[string]bool{}
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) || key <= after || key == "" {
			continue
		}
		if delimiter != "" {
			if dir, _, ok := strings.Cut(key[len(prefix):], delimiter); ok {
				key = prefix + dir + delimiter
			}
			if key <= after { // S3 leaves out a common prefix that is not greater
				continue
			}
		}
		want[key] = true
	}
	return slices.Sorted(maps.Keys(want))
}

// s3Keys are keys that S3 may have, markers of directories among them.
var s3Keys = []string{
	"a", "a b", "a+b", "a%2Fb", "a.txt", "a/", "a/b", "a/b/", "a/b/c", "a//b", "a//", "/", "//", "/a", ".", "..", "./a", "../a", "a/../b",
	"&", "<x>", "'\"", "é/日本/𝄞", "𝄞", "~*()!", "b/c/d/e", "b/c/d/f", "b/c0", "b0", "\u00ff/x", "tab\tnewline\ncr\r", "z", "z/", "zz/zz/zz",
	strings.Repeat("long/", 200),
}

func s3Files() *origintest.Files {
	var files []origintest.File
	for i, key := range s3Keys {
		f := origintest.File{Name: key, Body: []byte("body of " + key), ETag: fmt.Sprintf(`"%032x"`, i), ModTime: time.Unix(1e9+int64(i), 5e8)}
		if strings.HasSuffix(key, "/") {
			f.Body = nil
		}
		files = append(files, f)
	}
	return origintest.NewFiles(files...)
}

func TestS3Listing(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{}}, s3Files())
	for _, prefix := range []string{"", "a", "a/", "b/c", "b/c/", "é", "z", "none", "/", "\U0010ffff"} {
		for _, delimiter := range []string{"", "/", "//", "b"} {
			for _, after := range []string{"", "a", "a/", "a/b/c", "a/bb", "b/c/d", "~", "z/"} {
				for _, most := range []int{1, 2, 7, 1000} {
					params := []string{"prefix", prefix, "delimiter", delimiter, "encoding-type", "url"}
					if after != "" {
						params = append(params, "start-after", after)
					}
					if got, want := s3Walk(t, s.Addr(), most, params...), s3Want(s3Keys, prefix, delimiter, after); !slices.Equal(got, want) {
						t.Fatalf("%q, %d: listed %q, want %q", params, most, got, want)
					}
				}
			}
		}
	}
}

func TestS3ListingFields(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{}}, s3Files())
	l := s3List(t, s.Addr(), "list-type", "2", "prefix", "a/b", "start-after", "a/b", "fetch-owner", "true", "max-keys", "5000")
	if l.Prefix != "a/b" || *l.StartAfter != "a/b" || l.MaxKeys != 1000 || l.Delimiter != "" || l.EncodingType != "" || len(l.Contents) != 2 {
		t.Errorf("%+v", l)
	}
	i := slices.Index(s3Keys, "a/b/c")
	if got, want := l.Contents[1], (s3Content{"a/b/c", fmt.Sprintf(`"%032x"`, i), "STANDARD", time.Unix(1e9+int64(i), 5e8).UTC(), int64(len("body of a/b/c"))}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// As encoding/xml reads it, a key is what it is without encoding-type too.
	if got, want := s3Walk(t, s.Addr(), 7), s3Want(s3Keys, "", "", ""); !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if l := s3List(t, s.Addr(), "list-type", "2", "max-keys", "0"); l.IsTruncated || len(l.names()) != 0 {
		t.Errorf("a page of none: %+v", l)
	}
	// Version 1.
	var all []string
	for marker := ""; ; {
		l := s3List(t, s.Addr(), "delimiter", "/", "marker", marker, "max-keys", "3", "encoding-type", "url")
		if l.KeyCount != nil || l.NextContinuationToken != nil || *l.Marker != marker || l.IsTruncated != (l.NextMarker != nil) {
			t.Fatalf("%+v", l)
		}
		all = append(all, l.names()...)
		if !l.IsTruncated {
			break
		}
		marker = *l.NextMarker
	}
	if want := s3Want(s3Keys, "", "/", ""); !slices.Equal(all, want) {
		t.Errorf("version 1 lists %q, want %q", all, want)
	}
}

func TestS3Refusals(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{Region: "eu-west-1"}}, s3Files())
	for _, test := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/motefs/nothing", 404, "NoSuchKey"},
		{"GET", "/motefs/a%2", 400, "InvalidURI"},
		{"GET", "/other", 404, "NoSuchBucket"},
		{"GET", "/other/a", 404, "NoSuchBucket"},
		{"GET", "/motefs?list-type=2&continuation-token=abc", 400, "InvalidArgument"},
		{"GET", "/motefs?list-type=2&continuation-token=", 400, "InvalidArgument"},
		{"GET", "/motefs?list-type=2&continuation-token=+/+/YQ==", 400, "InvalidArgument"},
		{"GET", "/motefs?list-type=3", 400, "InvalidArgument"},
		{"GET", "/motefs?max-keys=-1", 400, "InvalidArgument"},
		{"GET", "/motefs?encoding-type=html", 400, "InvalidArgument"},
		{"GET", "/motefs?prefix=%", 400, "InvalidURI"},
		{"GET", "/motefs?acl", 501, "NotImplemented"},
		{"GET", "/motefs/a?versionId=1", 501, "NotImplemented"},
		{"GET", "/motefs/a?x-id=GetObject", 200, ""},
		{"PUT", "/motefs/a", 405, "MethodNotAllowed"},
		{"DELETE", "/motefs", 405, "MethodNotAllowed"},
		{"POST", "/motefs?delete", 405, "MethodNotAllowed"},
		{"HEAD", "/motefs", 200, ""},
		{"HEAD", "/other", 404, ""},
		{"HEAD", "/motefs/nothing", 404, ""},
	} {
		resp, body := rawhttp.Ask(t, s.Addr(), test.method, test.target)
		var e struct {
			XMLName       xml.Name `xml:"Error"`
			Code, Message string
			RequestID     string `xml:"RequestId"`
		}
		if test.code != "" {
			if err := xml.Unmarshal([]byte(body), &e); err != nil || e.Message == "" || e.RequestID != resp.Header.Get("X-Amz-Request-Id") {
				t.Errorf("%s %s: %v of %q", test.method, test.target, err, body)
			}
		}
		if resp.StatusCode != test.status || e.Code != test.code || len(resp.Header.Get("X-Amz-Request-Id")) != 16 {
			t.Errorf("%s %s: %+v %q, want %d %s", test.method, test.target, resp, body, test.status, test.code)
		}
	}
	if resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/motefs?location"); resp.StatusCode != 200 || !strings.Contains(body, ">eu-west-1</LocationConstraint>") {
		t.Errorf("location: %d %s", resp.StatusCode, body)
	}
	if resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/"); resp.StatusCode != 200 || !strings.Contains(body, "<Bucket><Name>motefs</Name>") {
		t.Errorf("buckets: %d %s", resp.StatusCode, body)
	}
	if resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/", "", "a field without a name"); resp.StatusCode != 400 || !strings.Contains(body, "<Code>BadRequest</Code>") || resp.Header.Get("X-Amz-Request-Id") == "" {
		t.Errorf("no request: %+v %s", resp, body)
	}
}

func TestS3Get(t *testing.T) {
	s := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{}}, s3Files())
	c := rawhttp.Dial(t, s.Addr())
	for i, key := range s3Keys {
		want := "body of " + key
		if strings.HasSuffix(key, "/") {
			want = ""
		}
		c.Send("/motefs/" + strings.ReplaceAll(url.QueryEscape(key), "+", "%20"))
		resp := c.Expect(200, want)
		if resp.Header.Get("ETag") != fmt.Sprintf(`"%032x"`, i) || resp.Header.Get("Last-Modified") != time.Unix(1e9+int64(i), 0).UTC().Format(http.TimeFormat) {
			t.Errorf("%q: %v", key, resp.Header)
		}
	}
	// The host names the bucket: the path is the key.
	if _, err := c.Write([]byte("GET //a HTTP/1.1\r\nHost: MOTEFS.localhost:80\r\n\r\nGET /?list-type=2&prefix=zz HTTP/1.1\r\nHost: motefs.x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	c.Expect(200, "body of /a")
	if _, body, err := c.Receive(); err != nil || !strings.Contains(body, "<Key>zz/zz/zz</Key>") {
		t.Errorf("%v, %s", err, body)
	}
	tag, date := fmt.Sprintf(`"%032x"`, 0), time.Unix(1e9, 0).UTC().Format(http.TimeFormat)
	const early = "Mon, 01 Jan 2001 00:00:00 GMT"
	for _, test := range []struct {
		status int
		body   string
		header []string
	}{
		{206, "body", []string{"Range", "bytes=0-3"}},
		{206, "a", []string{"Range", "bytes=-1"}},
		{416, "InvalidRange", []string{"Range", "bytes=100-"}},
		{304, "", []string{"If-None-Match", tag}},
		{304, "", []string{"If-Modified-Since", date}},
		{200, "body of a", []string{"If-Match", tag}},
		{200, "body of a", []string{"If-Match", strings.Trim(tag, `"`)}},
		{200, "body of a", []string{"If-Match", `"x", ` + tag}},
		{200, "body of a", []string{"If-Match", "*"}},
		{206, "body", []string{"If-Match", tag, "Range", "bytes=0-3", "If-Unmodified-Since", early}},
		{412, "PreconditionFailed", []string{"If-Match", `"x"`, "Range", "bytes=0-3"}},
		{412, "PreconditionFailed", []string{"If-Unmodified-Since", early}},
		{200, "body of a", []string{"If-Unmodified-Since", date}},
		{304, "", []string{"If-Match", tag, "If-None-Match", tag}},
	} {
		resp, body := rawhttp.Ask(t, s.Addr(), "GET", "/motefs/a", test.header...)
		ok := body == test.body && resp.Header.Get("ETag") == tag && resp.Header.Get("Last-Modified") == date
		if test.status >= 400 {
			ok = strings.Contains(body, "<Code>"+test.body+"</Code>") && resp.Header.Get("ETag") == ""
		}
		if resp.StatusCode != test.status || !ok {
			t.Errorf("%q: %+v %q, want %d %q", test.header, resp, body, test.status, test.body)
		}
	}
	if resp, body := rawhttp.Ask(t, s.Addr(), "HEAD", "/motefs/a"); resp.StatusCode != 200 || resp.ContentLength != 9 || body != "" || resp.Header.Get("ETag") != tag {
		t.Errorf("HEAD: %+v %q", resp, body)
	}
}

// TestS3Sources has a source of which nothing is known but bodies told with a time,
// and one that cannot be listed by name refused.
func TestS3Sources(t *testing.T) {
	bare := serve.OpenTest(t, serve.Options{S3: &serve.S3Options{Bucket: "my-bucket"}}, origintest.NewFiles(origintest.File{Name: "k"}))
	if resp, _ := rawhttp.Ask(t, bare.Addr(), "GET", "/my-bucket/k"); resp.StatusCode != 200 || resp.Header.Get("Last-Modified") != "Thu, 01 Jan 1970 00:00:00 GMT" {
		t.Errorf("%+v", resp)
	}
	if _, body := rawhttp.Ask(t, bare.Addr(), "GET", "/my-bucket/?list-type=2"); !strings.Contains(body, "<LastModified>1970-01-01T00:00:00.000Z</LastModified><ETag></ETag><Size>0</Size>") {
		t.Errorf("%s", body)
	}
	for _, o := range []serve.SyntheticOptions{{Files: 5, Shuffle: true, Validators: true}, {Files: 5}} {
		if s, err := serve.Open(serve.Options{S3: &serve.S3Options{}}, serve.NewSynthetic(o)); err == nil {
			s.Close()
			t.Errorf("%+v is served", o)
		}
	}
	for _, o := range []serve.Options{
		{Token: "t", S3: &serve.S3Options{}}, {BasePath: "/b", S3: &serve.S3Options{}}, {S3: &serve.S3Options{Bucket: "127"}},
		{S3: &serve.S3Options{Bucket: "A/b"}}, {S3: &serve.S3Options{Region: "a/b"}},
	} {
		if err := o.EnsureDefaults().Validate(); err == nil {
			t.Errorf("%+v %+v is valid", o, o.S3)
		}
	}
}

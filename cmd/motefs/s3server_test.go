package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

// startVersitygw serves the directories in dir as buckets, and returns the URL.
func startVersitygw(t *testing.T, dir string) string {
	t.Helper()
	url, stop, err := versitygw.Start(t.Context(), dir)
	if errors.Is(err, versitygw.ErrMissing) && os.Getenv(noS3Programs) != "" {
		t.Skipf("%s is set, and %v", noS3Programs, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return url
}

var versitygwKey = sigv4.Key{AccessKey: versitygw.AccessKey, SecretKey: versitygw.SecretKey, Region: versitygw.Region}

// TestVersitygw has rclone list and copy from a server that is not ours: what the
// tests of clients stand on.
func TestVersitygw(t *testing.T) {
	t.Parallel()
	needS3(t, "rclone")
	dir, names := makeS3Tree(t)
	root := t.TempDir()
	if err := os.Rename(dir, filepath.Join(root, "motefs")); err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(startVersitygw(t, root), "http://")
	c := s3Clients["rclone"]
	c.accessKey = versitygw.AccessKey
	p := c.run(t, c.list, addr, "", versitygw.SecretKey)
	listed := lines(p.Stdout.String())
	if slices.Sort(listed); !slices.Equal(listed, names) {
		t.Errorf("listed %q, want %q: %s", listed, names, p)
	}
	to := t.TempDir()
	c.run(t, c.copy, addr, to, versitygw.SecretKey)
	shell(t, `diff -r "$1" "$2"`, filepath.Join(root, "motefs"), to)
}

// s3Answer is what can be compared of two servers' answers.
type s3Answer struct {
	Status   int
	Code     string // of an error
	Keys     []string
	Prefixes []string
	Body     string // of an object
	Next     string // continuation token
}

// askS3 asks a server for a target, signed.
func askS3(t *testing.T, base, target string, key sigv4.Key, header ...string) (a s3Answer) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	origintest.SignS3(r, key, time.Now())
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.Status = resp.StatusCode
	if !strings.HasPrefix(string(body), "<?xml") {
		a.Body = string(body)
		return a
	}
	var page struct {
		Code, NextContinuationToken string
		Contents                    []struct{ Key string }
		CommonPrefixes              []struct{ Prefix string }
	}
	if err := xml.Unmarshal(body, &page); err != nil {
		t.Fatalf("%s: %v of %s", target, err, body)
	}
	for _, c := range page.Contents {
		a.Keys = append(a.Keys, c.Key)
	}
	for _, c := range page.CommonPrefixes {
		a.Prefixes = append(a.Prefixes, c.Prefix)
	}
	a.Code, a.Next = page.Code, page.NextContinuationToken
	return a
}

// walkS3 is a listing as it comes: its pages, but for one that ends it without a name.
func walkS3(t *testing.T, base string, q url.Values) (pages []string) {
	t.Helper()
	for q.Del("continuation-token"); ; {
		a := askS3(t, base, "/motefs?"+q.Encode(), versitygwKey)
		if a.Next != "" || len(a.Keys)+len(a.Prefixes) > 0 {
			pages = append(pages, fmt.Sprintf("%d %q %q", a.Status, a.Keys, a.Prefixes))
		}
		if a.Next == "" {
			return pages
		}
		q.Set("continuation-token", a.Next)
	}
}

// TestServeAsVersitygw holds the answers of motefs serve --s3 to those of a server
// that is not ours.
func TestServeAsVersitygw(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir, names := makeS3Tree(t)
	root := t.TempDir()
	if err := os.Rename(dir, filepath.Join(root, "motefs")); err != nil {
		t.Fatal(err)
	}
	theirs := startVersitygw(t, root)
	ours := "http://" + serveS3(t, nil, "--access-key", versitygw.AccessKey, "--secret-key", versitygw.SecretKey, filepath.Join(root, "motefs"))
	same := func(target string, key sigv4.Key, header ...string) {
		t.Helper()
		if a, b := askS3(t, ours, target, key, header...), askS3(t, theirs, target, key, header...); !reflect.DeepEqual(a, b) {
			t.Errorf("%s %q: %+v, and versitygw %+v", target, header, a, b)
		}
	}
	cut := func() string {
		name := names[rng.IntN(len(names))]
		return strings.ToValidUTF8(name[:rng.IntN(len(name)+1)], "")
	}
	for range 300 {
		q := url.Values{"list-type": {"2"}, "max-keys": {fmt.Sprint(1 + rng.IntN(6))}}
		if rng.IntN(2) == 0 {
			q.Set("prefix", cut())
		}
		if rng.IntN(2) == 0 {
			q.Set("delimiter", "/")
		}
		if rng.IntN(2) == 0 {
			q.Set("start-after", cut()+[]string{"", "!", "0"}[rng.IntN(3)])
		}
		if a, b := walkS3(t, ours, q), walkS3(t, theirs, q); !slices.Equal(a, b) {
			t.Errorf("%s: %q, and versitygw %q", q.Encode(), a, b)
		}
	}
	for _, name := range names {
		target := "/motefs/" + strings.ReplaceAll(url.PathEscape(name), "%2F", "/")
		same(target, versitygwKey)
		same(target, versitygwKey, "Range", "bytes=1-3")
		if name != "empty" { // of which there is no such range, as AWS has it
			same(target, versitygwKey, "Range", "bytes=-2")
		}
		same(target, versitygwKey, "If-Modified-Since", time.Now().UTC().Format(http.TimeFormat))
	}
	same("/motefs/nothing", versitygwKey)
	same("/nothing?list-type=2", versitygwKey)
	same("/motefs/plain", versitygwKey, "Range", "bytes=1000-")
	same("/motefs/plain", sigv4.Key{AccessKey: versitygw.AccessKey, SecretKey: "s", Region: versitygw.Region})
	same("/motefs/plain", sigv4.Key{AccessKey: versitygw.AccessKey, SecretKey: versitygw.SecretKey, Region: "eu-west-1"})
}

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

// ofOrigins are flags that say nothing of an object store.
var ofOrigins = regexp.MustCompile(`--(endpoint-url|region|profile|path-style|no-sign-request|request-payer)\b`)

// TestSegmentsAdvice: what is wrong with an object store is said in one line, which names the flags
// that it has.
func TestSegmentsAdvice(t *testing.T) {
	t.Parallel()
	origin := serveTest(t, serve.Options{}, synthetic(10))
	bucket := func(before func(http.ResponseWriter, *http.Request) bool) string {
		server := httptest.NewServer(&objectstest.S3{
			Memory: objectstest.New(objectstest.Options{}), Bucket: "bucket", Prefix: "m/", Before: before,
			Key: sigv4.Key{AccessKey: "id", SecretKey: "secret", Region: "us-east-1"},
		})
		t.Cleanup(server.Close)
		return server.URL
	}
	refuse := func(status int, code string) string {
		return bucket(func(w http.ResponseWriter, _ *http.Request) bool {
			objectstest.Refuse(w, status, code)
			return true
		})
	}
	plain := bucket(nil)
	readOnly := bucket(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			return false
		}
		objectstest.Refuse(w, http.StatusForbidden, "AccessDenied")
		return true
	})
	encrypted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(encrypted.Close)
	const writes = "s3:PutObject"
	for _, c := range []struct {
		url, endpoint, secret string
		more                  []string
		status                int
		want                  string
	}{
		{"s3://other/m", plain, "secret", nil, exitOrigin, "check the bucket's name and --segments-endpoint-url"},
		{"s3://bucket/m", plain, "wrong", nil, exitOrigin, "or --segments-profile"},
		{"s3://bucket/m", plain, "", nil, exitOrigin, "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --segments-profile"},
		{"s3://bucket/m", readOnly, "secret", nil, exitOrigin, writes},
		{"s3://bucket/m", refuse(403, "AccessDenied"), "secret", nil, exitOrigin, writes},
		{"s3://bucket/m", refuse(301, "PermanentRedirect"), "secret", nil, exitOrigin, "with --segments-region, or the endpoint with --segments-endpoint-url"},
		{"s3://bucket/m", refuse(400, "AuthorizationHeaderMalformed"), "secret", nil, exitOrigin, "--segments-region"},
		{"s3://bucket/m", refuse(403, "InvalidAccessKeyId"), "secret", nil, exitOrigin, "--segments-profile"},
		{"s3://bucket/m", origin.URL(), "secret", nil, exitOrigin, "the server answered 404 (Not Found); that is no answer of S3: check the bucket's name and --segments-endpoint-url"},
		{"s3://bucket/m", "http://127.0.0.1:1", "secret", nil, exitOrigin, "nothing listens at 127.0.0.1:1; check the port in --segments-endpoint-url"},
		{"s3://bucket/m", "http://no.such.host.invalid", "secret", nil, exitOrigin, "no.such.host.invalid"},
		{"s3://bucket/m", strings.Replace(plain, "http:", "https:", 1), "secret", nil, exitOrigin, "does not speak TLS; give --segments-endpoint-url with http://"},
		{"s3://bucket/m", encrypted.URL, "secret", nil, exitOrigin, "--ca-cert"},
		{"s3://bucket/m", strings.Replace(encrypted.URL, "https:", "http:", 1), "secret", nil, exitOrigin, "speaks TLS; give --segments-endpoint-url with https://"},
		{"s3://bucket/m", "ftp://127.0.0.1", "secret", nil, exitUsage, "--segments-endpoint-url: give a URL such as"},
		{"s3://bucket/m", plain, "secret", []string{"--segments-profile", "none"}, exitUsage, "--segments-profile none: AWS's configuration files have no such profile"},
		{"s3://bucket/m", plain, "secret", []string{"--segments-region", "eu west"}, exitUsage, `--segments-region "eu west"`},
		{"s3://me@bucket/m", plain, "secret", nil, exitUsage, "with --segments-endpoint-url"},
		{"s3://b/m", plain, "secret", nil, exitUsage, `bucket "b"`},
		{"s3://bucket/a//b", plain, "secret", nil, exitUsage, `prefix "a//b/"`},
	} {
		id := "id"
		if c.secret == "" {
			id = ""
		}
		args := append([]string{"mirror", "--segments", c.url, "--segments-endpoint-url", c.endpoint, "--store", filepath.Join(t.TempDir(), "work")}, c.more...)
		p := process.Start(t, withKeys(t, motefs(t, append(args, origin.URL())...), id, c.secret))
		status, text := p.Wait(), p.Stderr.String()
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s at %s: status %d, not %d with %q: %s", c.url, c.endpoint, status, c.status, c.want, p)
		}
		if ofOrigins.MatchString(text) || strings.Contains(text, ".:") || strings.Contains(text, `""`) || strings.Count(text, "\n") != 1 {
			t.Errorf("%s at %s: %q", c.url, c.endpoint, text)
		}
	}
}

// TestSegmentsAdviceOfVersitygw asks a server that is not ours for a bucket that it has not, with keys
// that it does not know, and for another region.
func TestSegmentsAdviceOfVersitygw(t *testing.T) {
	t.Parallel()
	origin := serveTest(t, serve.Options{}, synthetic(10))
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "bucket"), 0o700); err != nil {
		t.Fatal(err)
	}
	at := startVersitygw(t, root)
	for _, c := range []struct {
		bucket, id, secret, region string
		status                     int
		want                       string
	}{
		{"nobucket", versitygw.AccessKey, versitygw.SecretKey, versitygw.Region, exitOrigin, "check the bucket's name and --segments-endpoint-url"},
		{"bucket", "AK", versitygw.SecretKey, versitygw.Region, exitOrigin, "or --segments-profile"},
		{"bucket", versitygw.AccessKey, "wrong", versitygw.Region, exitOrigin, "or --segments-profile"},
		{"bucket", versitygw.AccessKey, versitygw.SecretKey, "eu-west-1", exitOK, "--segments-region spares finding that out"},
	} {
		cmd := withKeys(t, motefs(t, "mirror", "--segments", "s3://"+c.bucket+"/m", "--segments-endpoint-url", at, "--segments-region", c.region,
			"--store", filepath.Join(t.TempDir(), "work"), origin.URL()), c.id, c.secret)
		p := process.Start(t, cmd)
		if status, text := p.Wait(), p.Stderr.String(); status != c.status || !strings.Contains(text, c.want) || ofOrigins.MatchString(text) {
			t.Errorf("%+v: status %d: %s", c, status, p)
		}
	}
}

// TestSegmentsRightsLost goes on with a mirror that may only be read by now: the error says which
// rights are missing.
func TestSegmentsRightsLost(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 100})
	origin := serveTest(t, serve.Options{}, src)
	var readOnly atomic.Bool
	server := httptest.NewServer(&objectstest.S3{
		Memory: objectstest.New(objectstest.Options{}), Bucket: "bucket", Prefix: "m/",
		Key: sigv4.Key{AccessKey: "id", SecretKey: "secret", Region: "us-east-1"},
		Before: func(w http.ResponseWriter, r *http.Request) bool {
			// With the mirror's own object there is a mirror.
			refused := readOnly.Load() && r.Method != http.MethodGet
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/mirror") {
				readOnly.Store(true)
			}
			if refused {
				objectstest.Refuse(w, http.StatusForbidden, "AccessDenied")
			}
			return refused
		},
	})
	t.Cleanup(server.Close)
	p := process.Start(t, withKeys(t, motefs(t, "mirror", "--segments", "s3://bucket/m", "--segments-endpoint-url", server.URL,
		"--store", filepath.Join(t.TempDir(), "work"), origin.URL()), "id", "secret"))
	if status, text := p.Wait(), p.Stderr.String(); status == exitOK || !strings.Contains(text, "s3:PutObject") {
		t.Errorf("status %d: %s", status, p)
	}
}

// TestSegmentsNext: what a mirror says is to be typed next can be typed, and mounts it.
func TestSegmentsNext(t *testing.T) {
	t.Parallel()
	f := &segmentsFlags{url: "s3://bucket/a b's/", endpoint: "http://127.0.0.1:1", region: "eu-west-1", profile: "other", pathStyle: "on"}
	want := `motefs mount --segments 's3://bucket/a b'\''s' --segments-endpoint-url http://127.0.0.1:1 --segments-region eu-west-1 --segments-profile other --segments-path-style on MOUNTPOINT`
	if got := f.mountCommand(); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	f = &segmentsFlags{url: "file:///a/b", pathStyle: "auto"}
	if got := f.mountCommand(); got != "motefs mount --segments file:///a/b MOUNTPOINT" {
		t.Error(got)
	}
	f.url = "file:///a\xff b"
	if got := f.mountCommand(); got != "motefs mount --segments 'file:///a%FF b' MOUNTPOINT" {
		t.Error(got)
	}
}

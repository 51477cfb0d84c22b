package store

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/folder"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// serve has a server with one bucket, and says how it is reached.
func serve(t *testing.T, o objectstest.Options, before func(http.ResponseWriter, *http.Request) bool) s3.Options {
	t.Helper()
	server := httptest.NewServer(&objectstest.S3{
		Memory: objectstest.New(o), Bucket: "bucket", Prefix: "mirror/", Before: before,
		Key: sigv4.Key{AccessKey: "id", SecretKey: "secret", Region: s3.DefaultRegion},
	})
	t.Cleanup(server.Close)
	return s3.Options{Endpoint: server.URL, Keys: keys("secret")}
}

func keys(secret string) func(context.Context) (s3.Keys, error) {
	return func(context.Context) (s3.Keys, error) { return s3.Keys{ID: "id", Secret: secret}, nil }
}

// TestOpen opens stores, writes, and reads what is there by another one.
func TestOpen(t *testing.T) {
	bucket := Options{S3: serve(t, objectstest.Options{}, nil)}
	for raw, o := range map[string]Options{
		"s3://bucket/mirror": bucket, "S3://bucket/mirror/": bucket,
		"file://" + t.TempDir() + "/a%20b": {}, "file://localhost" + t.TempDir() + "/new/": {},
	} {
		o.Make, o.Probe = true, true
		w, err := Open(t.Context(), raw, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Put(t.Context(), "a/b", objects.BytesBody([]byte("text"))); err != nil {
			t.Fatal(err)
		}
		o.Make, o.Probe = false, false
		r, err := Open(t.Context(), raw, o)
		if err != nil {
			t.Fatal(err)
		}
		if text, _, err := objectstest.Get(t.Context(), r, "a/b", 0, -1); string(text) != "text" || err != nil {
			t.Errorf("%s: %q, %v", raw, text, err)
		}
		if err := errors.Join(w.Delete(t.Context(), "a/b"), w.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestErrors says of each store that cannot be used what happened, and what to do.
func TestErrors(t *testing.T) {
	good := serve(t, objectstest.Options{}, nil)
	refused := func(status int, code string) s3.Options {
		return serve(t, objectstest.Options{}, func(w http.ResponseWriter, _ *http.Request) bool {
			objectstest.Refuse(w, status, code)
			return true
		})
	}
	proxy := serve(t, objectstest.Options{}, func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "nothing here", http.StatusNotFound)
		return true
	})
	wrong := good
	wrong.Keys = keys("wrong")
	nowhere := good
	nowhere.Endpoint = "http://127.0.0.1:1"
	none := good
	none.Keys = func(context.Context) (s3.Keys, error) { return s3.Keys{}, errors.New("none were found") }
	wordless := good
	wordless.Keys = func(context.Context) (s3.Keys, error) { return s3.Keys{}, nil }
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url  string
		o    Options
		want []string
	}{
		{"bucket", Options{}, []string{"no ://", howURL}},
		{"/dir", Options{}, []string{"no ://", howURL}},
		{"http://x/y", Options{}, []string{`"http://"`, howURL}},
		{"s3://", Options{}, []string{`"" is not the name of a bucket`, howURL}},
		{"s3://user@host/x", Options{}, []string{"not the name of a bucket"}},
		{"s3://b", Options{}, []string{`bucket "b": 3 to 255`}},
		{"s3://bucket/a/../b", Options{}, []string{"prefix"}},
		{"file://dir/mirror", Options{}, []string{"file:///dir/mirror"}},
		{"file://", Options{}, []string{"begins with a slash"}},
		{"file:///a?b", Options{}, []string{"%3F"}},
		{"file:///100%", Options{}, []string{"% is %25"}},
		{"file:///", Options{Make: true}, []string{"root of all files"}},
		{"file:///.//", Options{Make: true}, []string{"root of all files"}},
		{"file://" + dir + "/absent", Options{}, []string{"no such file", "check the path"}},
		{"file://" + dir + "/absent/too", Options{Make: true}, []string{"no such file", "check the path"}},
		{"file://" + file, Options{Make: true}, []string{"not a directory", "give a folder"}},
		{"s3://another", Options{S3: good}, []string{"NoSuchBucket", "check the bucket's name"}},
		{"s3://bucket", Options{S3: wrong}, []string{"SignatureDoesNotMatch", "check the access key"}},
		{"s3://bucket", Options{S3: none}, []string{"none were found"}},
		{"s3://bucket", Options{S3: wordless}, []string{"S3 credentials: they are empty"}},
		{"s3://bucket", Options{S3: nowhere}, []string{"refused", "that the server is up"}},
		{"s3://bucket", Options{S3: refused(403, "AccessDenied")}, []string{"AccessDenied", "s3:PutObject"}},
		{"s3://bucket", Options{S3: proxy}, []string{"404", "no answer of S3"}},
		{"s3://bucket/mirror", Options{Probe: true, S3: serve(t, objectstest.Options{NoCondition: true}, nil)}, []string{"If-None-Match", "use a server that has"}},
		{"s3://bucket/mirror", Options{Probe: true, S3: serve(t, objectstest.Options{Faults: objectstest.Faults{Blind: 0.02}, Seed: 1}, nil)}, []string{"were told", "use a server that has"}},
	} {
		s, err := Open(t.Context(), c.url, c.o)
		if err == nil {
			t.Errorf("%s is opened", c.url)
			s.Close()
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.URL != c.url {
			t.Errorf("%s: %T", c.url, err)
		}
		if strings.Contains(err.Error(), "S3 credentials") && e.Do != "" {
			t.Errorf("%s: %v", c.url, err)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nhas no %q", c.url, err, want)
			}
		}
	}
}

// TestBusy opens a store that is busy at first.
func TestBusy(t *testing.T) {
	asked := 0
	s, err := Open(t.Context(), "s3://bucket/mirror", Options{S3: serve(t, objectstest.Options{}, func(w http.ResponseWriter, _ *http.Request) bool {
		if asked++; asked > 2 {
			return false
		}
		objectstest.Refuse(w, 503, "SlowDown")
		return true
	})})
	if err != nil || asked != 3 {
		t.Fatalf("%v, asked %d times", err, asked)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestReadOnly reads a folder that it must not write to.
func TestReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("as root everything may be written; what is left is that nothing is")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	s, err := Open(t.Context(), "file://"+dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if text, _, err := objectstest.Get(t.Context(), s, "a", 0, -1); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 || err != nil {
		t.Errorf("reading made %v, %v", entries, err)
	}
}

// TestHangs opens a folder of a filesystem that does not answer: the log says so, and then the error.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		start := time.Now()
		_, err := openBy(t.Context(), "file:///dir", Options{Log: zerolog.New(&log)}, func(ctx context.Context, _ string, _ Options) (objects.Store, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
		if took := time.Since(start); !errors.Is(err, folder.ErrHangs) || !strings.Contains(err.Error(), "check that the server of that filesystem is up") || took != hangPatience {
			t.Errorf("after %v: %v", took, err)
		}
		synctest.Wait() // for who writes the log
		if !strings.Contains(log.String(), "does not answer yet; waiting for it") {
			t.Errorf("the log has %q", &log)
		}
	})
}

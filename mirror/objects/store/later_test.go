package store

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
	"github.com/motefs/motefs/mirror/s3"
)

// TestLater opens stores that cannot be reached: with Later that is no error, and they are read once
// they can be. What is wrong for good is an error all the same.
func TestLater(t *testing.T) {
	var up atomic.Bool
	good := serve(t, objectstest.Options{}, nil)
	coming := serve(t, objectstest.Options{}, func(w http.ResponseWriter, _ *http.Request) bool {
		if !up.Load() {
			objectstest.Refuse(w, 503, "SlowDown")
		}
		return !up.Load()
	})
	s, err := Open(t.Context(), "s3://bucket/mirror", Options{S3: coming, Later: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	up.Store(true)
	if err := s.Put(t.Context(), "a", objects.BytesBody([]byte("text"))); err != nil {
		t.Error(err)
	}
	nowhere := good
	nowhere.Endpoint = "http://127.0.0.1:1"
	away, err := Open(t.Context(), "s3://bucket/mirror", Options{S3: nowhere, Later: true})
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, _, err := away.Get(ctx, "a", 0, -1); err == nil || errors.Is(err, objects.ErrNotFound) {
		t.Errorf("of one that is away: %v", err)
	}
	wrong := good
	wrong.Keys = keys("wrong")
	for raw, o := range map[string]s3.Options{"s3://bucket/mirror": wrong, "s3://another": good} {
		if s, err := Open(t.Context(), raw, Options{S3: o, Later: true}); err == nil {
			t.Errorf("%s is opened", raw)
			s.Close()
		}
	}
}

// TestLaterSilent opens a store whose server takes connections and says nothing.
func TestLaterSilent(t *testing.T) {
	said := make(chan struct{})
	var silent atomic.Bool
	silent.Store(true)
	real := &objectstest.S3{
		Memory: objectstest.New(objectstest.Options{}), Bucket: "bucket", Prefix: "mirror/",
		Key: sigv4.Key{AccessKey: "id", SecretKey: "secret", Region: s3.DefaultRegion},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			select {
			case <-said:
			case <-r.Context().Done():
				return
			}
		}
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s, err := Open(t.Context(), "s3://bucket/mirror", Options{S3: s3.Options{Endpoint: server.URL, Keys: keys("secret")}, Later: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	silent.Store(false)
	close(said)
	if err := s.Put(t.Context(), "a", objects.BytesBody([]byte("text"))); err != nil {
		t.Error(err)
	}
}

// TestLaterFolder has what opens a store fail at first.
func TestLaterFolder(t *testing.T) {
	memory := objectstest.New(objectstest.Options{})
	tries := 0
	l := &later{open: func(context.Context) (objects.Store, error) {
		if tries++; tries < 3 {
			return nil, objects.ErrAway
		}
		return memory, nil
	}}
	if err := l.Put(t.Context(), "a", objects.BytesBody(nil)); !errors.Is(err, objects.ErrAway) {
		t.Error(err)
	}
	if _, err := objectstest.List(t.Context(), l, "", ""); !errors.Is(err, objects.ErrAway) {
		t.Error(err)
	}
	if err := errors.Join(l.Create(t.Context(), "a", objects.BytesBody([]byte("text"))), l.Put(t.Context(), "b", objects.BytesBody(nil)), l.Delete(t.Context(), "b")); err != nil {
		t.Error(err)
	}
	if text, _, err := objectstest.Get(t.Context(), l, "a", 0, -1); string(text) != "text" || err != nil || tries != 3 {
		t.Errorf("%q, %v after %d tries", text, err, tries)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, _, err := l.Get(t.Context(), "a", 0, -1); !errors.Is(err, objects.ErrClosed) {
		t.Error(err)
	}
}

// TestLaterMounted opens a folder whose filesystem is not mounted yet: it is missing, or the empty one below.
// What is asked of it is an error that may pass, nothing is made, and once it is there all goes on.
func TestLaterMounted(t *testing.T) {
	for _, empty := range []bool{false, true} {
		at := t.TempDir()
		dir := filepath.Join(at, "folder")
		if empty {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(t.Context(), "file://"+dir, Options{Later: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer stop()
		if _, _, err := s.Get(ctx, "mirror", 0, -1); err == nil || errors.Is(err, objects.ErrNotFound) {
			t.Errorf("empty %v: before it is there: %v", empty, err)
		}
		if names, err := filepath.Glob(dir + "/*"); err != nil || len(names) > 0 {
			t.Errorf("it has %q, %v", names, err)
		}
		if _, err := os.Stat(dir); err == nil != empty {
			t.Errorf("the folder was made: %v", err)
		}
		other := filepath.Join(at, "filesystem") // stands there instead, as a filesystem that is mounted
		if err := errors.Join(os.RemoveAll(dir), os.Mkdir(other, 0o700), os.WriteFile(filepath.Join(other, "mirror"), []byte("text"), 0o600), os.Rename(other, dir)); err != nil {
			t.Fatal(err)
		}
		if text, _, err := objectstest.Get(t.Context(), s, "mirror", 0, -1); err != nil || string(text) != "text" {
			t.Errorf("empty %v: %q, %v", empty, text, err)
		}
	}
}

// TestLaterHangs has what opens a store hang, as a folder of a server that is away: however many
// ask, and however often, one call waits, and who asks is told when its context ends.
func TestLaterHangs(t *testing.T) {
	memory := objectstest.New(objectstest.Options{})
	var calls atomic.Int32
	answers := make(chan struct{})
	l := &later{open: func(context.Context) (objects.Store, error) {
		calls.Add(1)
		<-answers
		return memory, nil
	}}
	for range 20 {
		ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
		if _, _, err := l.Get(ctx, "a", 0, -1); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, objects.ErrAway) {
			t.Error(err)
		}
		stop()
	}
	close(answers)
	if err := l.Put(t.Context(), "a", objects.BytesBody([]byte("text"))); err != nil {
		t.Error(err)
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

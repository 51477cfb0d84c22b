package bucket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/s3"
)

// answering has a store whose server answers the requests of a method by f, which reports whether
// it did.
func answering(t *testing.T, method string, f func(w http.ResponseWriter, r *http.Request) bool) (*Store, *objectstest.Memory) {
	t.Helper()
	m := objectstest.New(objectstest.Options{})
	return open(t, serve(t, &objectstest.S3{Memory: m, Before: func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == method && f(w, r)
	}})), m
}

// refusing answers with a refusal of S3.
func refusing(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		objectstest.Refuse(w, status, code)
		return true
	}
}

// TestRefusals says of each refusal of a Create whether it may pass, and what it is.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		is     error // nil: none of package objects
		passes bool
	}{
		{412, "PreconditionFailed", objects.ErrExists, false},
		{409, "ConditionalRequestConflict", objects.ErrBusy, true},
		{409, "OperationAborted", objects.ErrBusy, true},
		{409, "BucketAlreadyExists", nil, false},
		{501, "NotImplemented", objects.ErrUnfit, false},
		{503, "SlowDown", nil, true},
		{500, "InternalError", nil, true},
		{429, "TooManyRequests", nil, true},
		{400, "RequestTimeout", nil, true},
		{403, "AccessDenied", nil, false},
		{404, "NoSuchBucket", nil, false},
	} {
		s, _ := answering(t, http.MethodPut, refusing(c.status, c.code))
		err := s.Create(t.Context(), "a", objects.BytesBody([]byte("x")))
		if err == nil || mirror.Temporary(err) != c.passes || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%d %s: %v", c.status, c.code, err)
		}
		if c.is == nil && (errors.Is(err, objects.ErrExists) || errors.Is(err, objects.ErrUnfit) || errors.Is(err, objects.ErrAway)) {
			t.Errorf("%d %s is taken for something else: %v", c.status, c.code, err)
		}
	}
}

// TestNotFound believes only S3 itself that an object is not there.
func TestNotFound(t *testing.T) {
	for code, is := range map[string]bool{"NoSuchKey": true, "NoSuchBucket": false} {
		s, _ := answering(t, http.MethodGet, refusing(404, code))
		if _, _, err := s.Get(t.Context(), "a", 0, -1); err == nil || errors.Is(err, objects.ErrNotFound) != is {
			t.Errorf("%s: %v", code, err)
		}
	}
	s, _ := answering(t, http.MethodGet, func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "a proxy has no such page", http.StatusNotFound)
		return true
	})
	if _, _, err := s.Get(t.Context(), "a", 0, -1); err == nil || errors.Is(err, objects.ErrNotFound) {
		t.Errorf("a proxy's 404: %v", err)
	}
}

// TestRetryAfter hands on how long the server asks to wait.
func TestRetryAfter(t *testing.T) {
	s, _ := answering(t, http.MethodPut, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "7")
		return refusing(429, "SlowDown")(w, r)
	})
	err := s.Put(t.Context(), "a", objects.BytesBody(nil))
	if status, ok := errors.AsType[*mirror.StatusError](err); !ok || status.RetryAfter != 7*time.Second {
		t.Errorf("%v", err)
	}
}

// TestMends has a server find fault with the clock, the keys and the region, one after the other,
// in each request of a new store.
func TestMends(t *testing.T) {
	faults, asked := 0, 0
	m := objectstest.New(objectstest.Options{})
	o := serve(t, &objectstest.S3{Memory: m, Before: func(w http.ResponseWriter, r *http.Request) bool {
		switch faults++; faults {
		case 1:
			w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			objectstest.Refuse(w, 403, "RequestTimeTooSkewed")
			return true
		case 2:
			if at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")); err != nil || time.Since(at) < 50*time.Minute {
				t.Errorf("signed for %s, %v, with the clock of a server that is an hour behind", at, err)
			}
			w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
			objectstest.Refuse(w, 403, "RequestTimeTooSkewed")
			return true
		case 3:
			objectstest.Refuse(w, 400, "ExpiredToken")
			return true
		}
		return false
	}})
	keys := o.Keys
	o.Keys = func(ctx context.Context) (s3.Keys, error) {
		if asked++; asked == 1 {
			return s3.Keys{ID: "old", Secret: "old"}, nil
		}
		return keys(ctx)
	}
	s := open(t, o)
	if err := s.Put(t.Context(), "a", objects.BytesBody([]byte("text"))); err != nil || asked != 2 {
		t.Errorf("%v, asked for keys %d times", err, asked)
	}
	o.Region = "us-west-2"
	m2 := &objectstest.S3{Memory: objectstest.New(objectstest.Options{}), Before: func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.Header.Get("Authorization"), "/us-west-2/") {
			return false
		}
		w.Header().Set("X-Amz-Bucket-Region", testRegion)
		return refusing(400, "AuthorizationHeaderMalformed")(w, r)
	}}
	o2 := serve(t, m2)
	o2.Region = "us-west-2"
	s = open(t, o2)
	if err := s.Put(t.Context(), "a", objects.BytesBody([]byte("text"))); err != nil || string(m2.Objects()["a"]) != "text" {
		t.Errorf("a bucket in another region: %v", err)
	}
	always, _ := answering(t, http.MethodPut, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Date", time.Now().Add(-time.Duration(time.Now().UnixNano()%1000)*time.Hour).UTC().Format(http.TimeFormat))
		return refusing(403, "RequestTimeTooSkewed")(w, r)
	})
	if err := always.Put(t.Context(), "a", objects.BytesBody(nil)); err == nil || mirror.Temporary(err) {
		t.Errorf("a clock that is never right: %v", err)
	}
}

// TestWrongAnswers has a server answer gets with something else than what was asked for.
func TestWrongAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		off, n int64
		answer func(h http.Header) (status int, body string)
		is     error
	}{
		"the whole for a part": {2, 3, func(http.Header) (int, string) { return 200, "0123456789" }, objects.ErrUnfit},
		"another part": {2, 3, func(h http.Header) (int, string) {
			h.Set("Content-Range", "bytes 3-5/10")
			return 206, "345"
		}, objects.ErrUnfit},
		"less of a part": {2, 3, func(h http.Header) (int, string) {
			h.Set("Content-Range", "bytes 2-3/10")
			return 206, "23"
		}, objects.ErrUnfit},
		"no range": {2, 3, func(http.Header) (int, string) { return 206, "234" }, objects.ErrUnfit},
		"more than there is": {2, -1, func(h http.Header) (int, string) {
			h.Set("Content-Range", "bytes 2-10/10")
			return 206, "234567890"
		}, objects.ErrUnfit},
		"a wrong sum": {0, -1, func(h http.Header) (int, string) {
			h.Set("X-Amz-Checksum-Crc32c", "AAAAAA==")
			return 200, "0123456789"
		}, mirror.ErrChecksum},
		"an encoding": {0, -1, func(h http.Header) (int, string) {
			h.Set("Content-Encoding", "gzip")
			return 200, "0123456789"
		}, objects.ErrUnfit},
		"too little": {0, -1, func(h http.Header) (int, string) {
			h.Set("Content-Length", "10")
			return 200, "01234"
		}, objects.ErrAway},
		"no content": {0, -1, func(http.Header) (int, string) { return 204, "" }, objects.ErrUnfit},
	} {
		s, _ := answering(t, http.MethodGet, func(w http.ResponseWriter, _ *http.Request) bool {
			status, body := c.answer(w.Header())
			if w.Header().Get("Content-Length") == "" && status != 204 {
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		})
		if text, _, err := objectstest.Get(t.Context(), s, "a", c.off, c.n); !errors.Is(err, c.is) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// TestWrongLists has a server list in another order, and without an end.
func TestWrongLists(t *testing.T) {
	page := func(more string, keys ...string) string {
		text := "<ListBucketResult><IsTruncated>" + more + "</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
		for _, k := range keys {
			text += "<Contents><Key>a folder/+&amp;=@é/" + k + "</Key><Size>1</Size></Contents>"
		}
		return text + "</ListBucketResult>"
	}
	for want, text := range map[string]string{
		`"a" comes after "b"`:  page("false", "b", "a"),
		`"a" comes after "a"`:  page("true", "a"),
		"leads to itself":      page("true"),
		"not a listing":        "<html>",
		"does not begin with":  "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>x</Key></Contents></ListBucketResult>",
		"InternalError":        "<Error><Code>InternalError</Code></Error>",
		"how long \"a\" is":    strings.ReplaceAll(page("false", "a"), "<Size>1</Size>", ""),
		"object store away: u": page("false", "a")[:50] + "CUT",
	} {
		s, _ := answering(t, http.MethodGet, func(w http.ResponseWriter, _ *http.Request) bool {
			text, cut := strings.CutSuffix(text, "CUT")
			if cut {
				w.Header().Set("Content-Length", "1000")
			}
			_, _ = io.WriteString(w, text)
			return true
		})
		if infos, err := objectstest.List(t.Context(), s, "", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", want, infos, err)
		}
	}
	s, _ := answering(t, http.MethodGet, func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, page("false", "a", "b", "c", "A%20", "d"))
		return true
	})
	if infos, err := objectstest.List(t.Context(), s, "", "b"); err != nil || len(infos) != 2 || infos[0].Name != "c" {
		t.Errorf("a server that ignores start-after: %v, %v", infos, err)
	}
}

// TestHangs has a server take a request and say no more, at each stage: what waits ends with its
// context, with the store, and by itself where nothing comes for as long as Timeouts.Idle.
func TestHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var stage atomic.Pointer[string] // what it says before it hangs
	taken := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(taken)
				return
			}
			_, _ = c.Read(make([]byte, 1<<10))
			_, _ = io.WriteString(c, *stage.Load())
			taken <- c
		}
	}()
	defer func() {
		l.Close()
		for c := range taken {
			c.Close()
		}
	}()
	for _, said := range []string{"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<x>"} {
		stage.Store(&said)
		o := s3.Options{Bucket: "bucket", Endpoint: "http://" + l.Addr().String()}
		o.EnsureDefaults()
		s := open(t, o)
		for name, f := range map[string]func(ctx context.Context, s *Store) error{
			"get": func(ctx context.Context, s *Store) error {
				_, _, err := objectstest.Get(ctx, s, "a", 0, -1)
				return err
			},
			"list": func(ctx context.Context, s *Store) error {
				_, err := objectstest.List(ctx, s, "", "")
				return err
			},
			"put": func(ctx context.Context, s *Store) error {
				if strings.Contains(said, "100") {
					return nil // that is an answer
				}
				return s.Put(ctx, "a", objects.BytesBody(make([]byte, 64<<20)))
			},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- f(ctx, s) }()
			if name != "put" || !strings.Contains(said, "100") {
				c := <-taken
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("%s after %q: %v", name, said, err)
				}
				c.Close()
			} else if err := <-done; err != nil {
				t.Error(err)
			}
			cancel()

			o.Timeouts.Idle, o.Timeouts.Response = 25*time.Millisecond, 25*time.Millisecond
			if err := f(t.Context(), open(t, o)); err == nil && (name != "put" || said == "") || err != nil && !errors.Is(err, objects.ErrAway) {
				t.Errorf("%s after %q, which nobody ends: %v", name, said, err)
			}
		}
		closing := open(t, o)
		done := make(chan error, 1)
		o.Timeouts.Idle, o.Timeouts.Response = time.Hour, time.Hour
		go func() { _, _, err := objectstest.Get(t.Context(), closing, "a", 0, -1); done <- err }()
		closing.Close()
		if err := <-done; !errors.Is(err, objects.ErrClosed) && !errors.Is(err, objects.ErrAway) {
			t.Errorf("get from a store that is closed, after %q: %v", said, err)
		}
	}
}

// TestLongPut sends for longer than a connection may be idle, to a server that reads slowly and
// answers late: that is not idle. What waits for more than that is.
func TestLongPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := &conn{Conn: near, idle: time.Second}
		defer c.Close()
		answer := make(chan error, 2)
		go func() {
			for range 2 {
				_, err := c.Read(make([]byte, 10))
				answer <- err
			}
		}()
		const pieces, piece = 20, 64 << 10
		go func() {
			for range pieces {
				time.Sleep(800 * time.Millisecond)
				_, _ = io.CopyN(io.Discard, far, piece)
			}
			time.Sleep(800 * time.Millisecond)
			_, _ = io.WriteString(far, "answer")
		}()
		if n, err := c.Write(make([]byte, pieces*piece)); n != pieces*piece || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if err := <-answer; err != nil {
			t.Errorf("an answer in time: %v", err)
		}
		if err := <-answer; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("no answer: %v", err)
		}
	})
}

// TestAnonymous asks without a signature.
func TestAnonymous(t *testing.T) {
	s, _ := answering(t, http.MethodGet, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			t.Error("it is signed")
		}
		_, _ = io.WriteString(w, "text")
		return true
	})
	s.o.Keys = nil
	s = open(t, s.o)
	if text, _, err := objectstest.Get(t.Context(), s, "a", 0, -1); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

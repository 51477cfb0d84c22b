package origin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// quick are timeouts for tests that wait for none of them.
var quick = wire.Timeouts{Dial: 5 * time.Second, Handshake: 5 * time.Second, Idle: 5 * time.Second,
	Response: 5 * time.Second, MinRate: 16 << 10, Keep: time.Minute, Age: time.Minute, Join: time.Second,
	Probe: 5 * time.Second, Round: 5 * time.Second}

// at are options for an origin, and for what its connections shall be like.
func at(baseURL string, o wire.Options) Options { return Options{BaseURL: baseURL, Options: o} }

// newClient returns a client that pipelines without a probe.
func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	if o.Pipeline == 0 {
		o.Pipeline = 1 << 20
	}
	return newAuto(t, o)
}

// newAuto returns a client that finds out whether to pipeline.
func newAuto(t testing.TB, o Options) *Client {
	t.Helper()
	if o.Timeouts == (wire.Timeouts{}) {
		o.Timeouts = quick
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// result is what was received for a name.
type result struct {
	body   string
	stream bool
	obj    mirror.Object // without its Body and Stream
	err    error
}

// fetchAll fetches names and checks that each is received once.
func fetchAll(t testing.TB, c *Client, names ...string) []result {
	t.Helper()
	results, err := fetchCtx(t.Context(), t, c, names)
	if err != nil {
		t.Fatalf("Fetch: %v", err)
	}
	return results
}

func fetchCtx(ctx context.Context, t testing.TB, c *Client, names []string) ([]result, error) {
	t.Helper()
	results, times := make([]result, len(names)), make([]int, len(names))
	spooled := map[int]string{}
	receive := func(i int, obj *mirror.Object, err error) {
		r := result{err: err}
		if times[i]++; obj != nil {
			r.obj, r.body = *obj, string(obj.Body)
			r.obj.Body, r.obj.Stream, r.obj.ETag = nil, nil, bytes.Clone(obj.ETag)
			switch r.stream = obj.Stream != nil; {
			case r.stream:
				b, err := io.ReadAll(obj.Stream)
				r.body, r.err = string(b), err
			case obj.Spooled:
				r.body = spooled[i]
			}
		}
		results[i] = r
	}
	spool := func(i int, obj *mirror.Object) error {
		b, err := io.ReadAll(obj.Stream)
		spooled[i] = string(b)
		return err
	}
	err := c.Fetch(ctx, names, mirror.Receiver{Receive: receive, Spool: spool})
	for i, n := range times {
		if n != 1 {
			t.Errorf("%.100q: received %d times", names[i], n)
		}
	}
	return results, err
}

// receiveOnly is a Receiver without a Spool.
func receiveOnly(receive func(i int, obj *mirror.Object, err error)) mirror.Receiver {
	return mirror.Receiver{Receive: receive}
}

// numbered returns n names.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("dir/file-%07d", i)
	}
	return names
}

// checkEcho checks results that came from an echo.
func checkEcho(t testing.TB, names []string, results []result) {
	t.Helper()
	bad := 0
	for i, r := range results {
		if r.err != nil || r.body != "/get/"+names[i] {
			if bad++; bad <= 5 {
				t.Errorf("%s: %.60q, %v", names[i], r.body, r.err)
			}
		}
	}
	if bad > 5 {
		t.Errorf("and %d more", bad-5)
	}
}

// statusCode is a wanted *mirror.StatusError.
type statusCode int

func (s statusCode) Error() string { return "status" }

func matches(err, want error) bool {
	if code, ok := want.(statusCode); ok {
		status, ok := errors.AsType[*mirror.StatusError](err)
		return ok && status.Code == int(code)
	}
	return errors.Is(err, want)
}

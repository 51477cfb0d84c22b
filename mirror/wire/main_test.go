package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// quick are timeouts for tests that wait for none of them.
var quick = Timeouts{Dial: 5 * time.Second, Handshake: 5 * time.Second, Idle: 5 * time.Second,
	Response: 5 * time.Second, MinRate: 16 << 10, Keep: time.Minute, Age: time.Minute, Join: time.Second,
	Probe: 5 * time.Second, Round: 5 * time.Second}

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
	if o.Timeouts == (Timeouts{}) {
		o.Timeouts = quick
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// result is what was taken for a name.
type result struct {
	body   string
	stream bool
	ans    Answer // without its Body and Stream
	err    error
}

// fetch asks for "/get/" and a name, many times, and checks what Batch promises
// of its functions.
type fetch struct {
	t       testing.TB
	names   []string
	results []result
	times   []int
	spooled map[int]string // what Spool read last
	spools  int            // calls of it
}

func newFetch(t testing.TB, names []string) *fetch {
	return &fetch{t: t, names: names, results: make([]result, len(names)), times: make([]int, len(names)), spooled: map[int]string{}}
}

func (f *fetch) batch(spool bool) *Batch {
	b := &Batch{Len: len(f.names), Target: func(dst []byte, i int) []byte { return append(append(dst, "/get/"...), f.names[i]...) }, Take: f.take}
	if spool {
		b.Spool = f.spool
	}
	return b
}

func (f *fetch) spool(i int, a *Answer) error {
	f.spools++
	if f.times[i] > 0 {
		f.t.Errorf("%.100q: spooled after it was taken", f.names[i])
	}
	body, err := io.ReadAll(a.Stream)
	f.spooled[i] = string(body)
	return err
}

func (f *fetch) take(i int, a *Answer, err error) {
	if f.times[i]++; (a == nil) == (err == nil) {
		f.t.Errorf("%.100q: taken with %v and %v", f.names[i], a, err)
	}
	r := result{err: err}
	if a != nil {
		r.ans, r.body = *a, string(a.Body)
		r.ans.Body, r.ans.Stream, r.ans.ETag = nil, nil, bytes.Clone(a.ETag)
		switch r.stream = a.Stream != nil; {
		case r.stream:
			b, err := io.ReadAll(a.Stream)
			r.body, r.err = string(b), err
		case a.Spooled:
			r.body = f.spooled[i]
		}
		if a.Status != 200 {
			r.err = &mirror.StatusError{Code: a.Status, RetryAfter: a.RetryAfter}
		}
	}
	f.results[i] = r
}

func (f *fetch) run(ctx context.Context, c *Client, spool bool) ([]result, error) {
	f.t.Helper()
	err := c.Get(ctx, f.batch(spool))
	for i, n := range f.times {
		if n != 1 {
			f.t.Errorf("%.100q: taken %d times", f.names[i], n)
		}
	}
	return f.results, err
}

// fetchAll fetches names and checks that each is taken once.
func fetchAll(t testing.TB, c *Client, names ...string) []result {
	t.Helper()
	results, err := fetchCtx(t.Context(), t, c, names)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return results
}

func fetchCtx(ctx context.Context, t testing.TB, c *Client, names []string) ([]result, error) {
	t.Helper()
	return newFetch(t, names).run(ctx, c, false)
}

// fetchSpooled is fetchAll with a Spool, and returns how often that was called.
func fetchSpooled(t testing.TB, c *Client, names ...string) ([]result, int) {
	t.Helper()
	f := newFetch(t, names)
	results, err := f.run(t.Context(), c, true)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return results, f.spools
}

// fetchOne asks by One for a target, and returns its body.
func fetchOne(ctx context.Context, c *Client, target string) (body string, err error) {
	err = c.One(ctx, List, target, nil, false, func(r *Response) error {
		if r.Status() != 200 {
			return r.Err()
		}
		b, err := io.ReadAll(r)
		body = string(b)
		return err
	})
	return body, err
}

// teach has a client learn its guards, from two files. A client of little patience may
// have to ask for them again on a busy machine.
func teach(t testing.TB, c *Client) {
	t.Helper()
	names := []string{"teach/1", "teach/2"}
	eventually.True(t, "guards", func() bool {
		fetchAll(t, c, names...)
		return c.guards.enough()
	})
}

// teachAll has a client know as many guards as it can, which are files of their own,
// and none of its connections know it.
func teachAll(t testing.TB, c *Client, names ...string) {
	t.Helper()
	fetchAll(t, c, names...)
	if got := len(guardsOf(c)); got != maxGuards {
		t.Errorf("%d guards are known", got)
	}
	for cn := c.pop(); cn != nil; cn = c.pop() {
		c.drop(cn)
	}
}

// teachers are names of files to be guards.
func teachers() (names []string) {
	for i := range 2 * maxGuards {
		names = append(names, fmt.Sprintf("teach/%d", 3+i))
	}
	return names
}

// guardsOf are the guards that a client knows.
func guardsOf(c *Client) []*known {
	s := c.guards.now.Load()
	if s == nil {
		return nil
	}
	return s.all
}

// numbered returns n names.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("dir/file-%07d", i)
	}
	return names
}

// isName says of a target that it is one of numbered.
func isName(target string) bool { return strings.HasPrefix(target, "/get/dir/file-") }

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

// checkRight checks that every body is that of its name, and returns how many
// came; all others have to have an error that may pass.
func checkRight(t testing.TB, names []string, results []result) (right int) {
	t.Helper()
	for i, r := range results {
		switch {
		case r.err == nil && r.body != "/get/"+names[i]:
			t.Fatalf("%s: %.60q", names[i], r.body)
		case r.err == nil:
			right++
		case !mirror.Temporary(r.err):
			t.Errorf("%s: %v", names[i], r.err)
		}
	}
	return right
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

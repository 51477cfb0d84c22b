package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
)

func keysOf(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("dir-%02d/file-%05d", i/100, i))
	}
	return keys
}

// fetchAll gets objects, whose contents are their keys; without one, the error.
func fetchAll(t testing.TB, c *Client, names ...string) (bodies []string) {
	t.Helper()
	bodies = make([]string, len(names))
	times := make([]int, len(names))
	err := c.Fetch(t.Context(), names, mirror.Receiver{Receive: func(i int, obj *mirror.Object, err error) {
		times[i]++
		if bodies[i] = fmt.Sprint(err); err == nil {
			bodies[i] = string(obj.Body)
			if obj.ModTime != fakeTime.Unix() || string(obj.ETag) != etagOf(names[i]) {
				t.Errorf("%s: %d, %s", names[i], obj.ModTime, obj.ETag)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range times {
		if n != 1 {
			t.Errorf("%s was received %d times", names[i], n)
		}
	}
	return bodies
}

// TestRefusals has a server refuse in each way that there is a way out of, once for a
// listing and once for gets, and go on with what the client does about it.
func TestRefusals(t *testing.T) {
	names := keysOf(300)
	for what, c := range map[string]struct {
		mended func(r *http.Request, bucket *bucket) bool // the request is as it has to be
		status int
		code   string
		more   string
	}{
		"clock": {status: 403, code: "RequestTimeTooSkewed", mended: func(r *http.Request, _ *bucket) bool {
			at, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
			return err == nil && at.Sub(time.Now().Add(5*time.Hour)).Abs() < time.Minute
		}},
		"keys": {status: 400, code: "ExpiredToken", mended: func(r *http.Request, _ *bucket) bool {
			return strings.Contains(r.Header.Get("Authorization"), "Credential=second/")
		}},
		"region": {status: 400, code: "AuthorizationHeaderMalformed", more: "<Region>eu-west-7</Region>", mended: func(r *http.Request, _ *bucket) bool {
			return strings.Contains(r.Header.Get("Authorization"), "/eu-west-7/s3/")
		}},
		"redirect": {status: 301, code: "PermanentRedirect", mended: func(r *http.Request, _ *bucket) bool {
			return strings.Contains(r.Header.Get("Authorization"), "/eu-west-7/s3/")
		}},
	} {
		for _, gets := range []bool{false, true} {
			b := &bucket{keys: names}
			var refused, asked atomic.Int64
			b.before = func(w http.ResponseWriter, r *http.Request) bool {
				if c.mended(r, b) {
					return false
				}
				refused.Add(1)
				w.Header().Set("Date", time.Now().Add(5*time.Hour).UTC().Format(http.TimeFormat))
				w.Header().Set("X-Amz-Bucket-Region", "eu-west-7")
				if c.code != "PermanentRedirect" && c.code != "AuthorizationHeaderMalformed" {
					w.Header().Del("X-Amz-Bucket-Region")
				}
				refuse(w, c.status, c.code, c.more)
				return true
			}
			b.start(t)
			client := b.client(t, Options{Keys: func(context.Context) (Keys, error) {
				if asked.Add(1) == 1 {
					return Keys{ID: "first", Secret: "s"}, nil
				}
				return Keys{ID: "second", Secret: "s"}, nil
			}})
			if gets {
				if got := fetchAll(t, client, names...); !slices.Equal(got, names) {
					t.Errorf("%s: %q …", what, got[:3])
				}
			} else if got, _ := walkAll(t, client, ""); !slices.Equal(got, names) {
				t.Errorf("%s: %d names", what, len(got))
			}
			if n := refused.Load(); n == 0 || !gets && n > 1 {
				t.Errorf("%s: refused %d times", what, n)
			}
		}
	}
}

// TestFinalRefusals has a server refuse for good: each is one error that names it, and
// asked for a bounded number of times.
func TestFinalRefusals(t *testing.T) {
	for what, c := range map[string]struct {
		status    int
		code      string
		more      string
		says      string
		temporary bool
	}{
		"wrong key":    {status: 403, code: "InvalidAccessKeyId", says: "check the access key"},
		"wrong secret": {status: 403, code: "SignatureDoesNotMatch", says: "check the access key"},
		"no access":    {status: 403, code: "AccessDenied", says: "s3:ListBucket"},
		"session over": {status: 400, code: "ExpiredToken", says: "get new ones"},
		"no bucket":    {status: 404, code: "NoSuchBucket", says: "--endpoint-url"},
		"clock":        {status: 403, code: "RequestTimeTooSkewed", says: "set the clock"},
		"region":       {status: 301, code: "PermanentRedirect", says: "--region"},
		"another one":  {status: 301, code: "PermanentRedirect", more: "<Region>../../x</Region>", says: "--region"},
		"busy":         {status: 503, code: "SlowDown", temporary: true},
		"ill":          {status: 500, code: "InternalError", temporary: true},
		"no words":     {status: 403, code: "", says: "answered 403"},
	} {
		b := &bucket{keys: keysOf(1)}
		var asked atomic.Int64
		b.before = func(w http.ResponseWriter, _ *http.Request) bool {
			asked.Add(1)
			if c.code == "" {
				w.WriteHeader(c.status)
			} else {
				refuse(w, c.status, c.code, c.more)
			}
			return true
		}
		b.start(t)
		client := b.client(t, Options{Keys: func(context.Context) (Keys, error) { return Keys{ID: "id", Secret: "s"}, nil }})
		_, err := client.List(t.Context(), "")
		status, ok := errors.AsType[*mirror.StatusError](err)
		if !ok || status.Code != c.status || mirror.Temporary(err) != c.temporary || !strings.Contains(adviceOf(err), c.says) || !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: list: %v", what, err)
		}
		if c.status == 503 && status.RetryAfter == 0 {
			t.Errorf("%s: nothing slows the mirror down", what)
		}
		if c.status == 404 {
			continue // of an object that says something else
		}
		for _, got := range fetchAll(t, client, keysOf(1)...) {
			if !strings.Contains(got, fmt.Sprint(c.status)) || !strings.Contains(got, c.code) && !c.temporary {
				t.Errorf("%s: get: %s", what, got)
			}
		}
		if asked.Load() > 12 {
			t.Errorf("%s: asked %d times", what, asked.Load())
		}
	}
}

// adviceOf is what to do about an error, or what it says.
func adviceOf(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok && r.Advice("--") != "" {
		return r.Advice("--")
	}
	return fmt.Sprint(err)
}

// TestNoCredentials tells why there are none, and asks the server for nothing.
func TestNoCredentials(t *testing.T) {
	for says, get := range map[string]func(context.Context) (Keys, error){
		"no such profile": func(context.Context) (Keys, error) { return Keys{}, errors.New("no such profile") },
		"empty":           func(context.Context) (Keys, error) { return Keys{ID: "id"}, nil },
		"cannot stand":    func(context.Context) (Keys, error) { return Keys{ID: "id", Secret: "s", Token: "a\r\nb"}, nil },
	} {
		b := (&bucket{keys: keysOf(3)}).start(t)
		client := b.client(t, Options{Keys: get})
		if _, err := client.List(t.Context(), ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("list: %v, want %q", err, says)
		}
		for _, got := range fetchAll(t, client, keysOf(3)...) {
			if !strings.Contains(got, says) || !strings.Contains(got, mirror.ErrUnreachable.Error()) {
				t.Errorf("get: %s, want %q, which is no file's fault", got, says)
			}
		}
		if n := b.lists.Load() + b.gets.Load(); n != 0 {
			t.Errorf("%d requests", n)
		}
	}
}

// TestRenewalIsInterrupted has the one who asks for credentials give up: that is no answer
// to others.
func TestRenewalIsInterrupted(t *testing.T) {
	b := (&bucket{keys: keysOf(3)}).start(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	client := b.client(t, Options{Keys: func(ctx context.Context) (Keys, error) {
		switch asked++; asked {
		case 1:
			return Keys{ID: "first", Secret: "s", Expires: time.Now().Add(-time.Second)}, nil
		case 2:
			cancel()
			<-ctx.Done()
			return Keys{}, ctx.Err()
		}
		return Keys{ID: "third", Secret: "s"}, nil
	}})
	if _, err := client.List(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	client.keys.renewed = time.Time{} // long ago
	if _, err := client.List(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up has %v", err)
	}
	if got := fetchAll(t, client, b.keys...); !slices.Equal(got, b.keys) || asked != 3 {
		t.Errorf("%q, asked %d times", got, asked)
	}
}

// TestRenewal has credentials that expire be asked for anew before they do, once, and be
// used on where no others can be had.
func TestRenewal(t *testing.T) {
	b := &bucket{keys: keysOf(500)}
	var seen recorder
	b.before = func(_ http.ResponseWriter, r *http.Request) bool {
		_, id, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		id, _, _ = strings.Cut(id, "/")
		seen.add(id)
		return false
	}
	b.start(t)
	asked := 0
	client := b.client(t, Options{Keys: func(context.Context) (Keys, error) {
		switch asked++; asked {
		case 1:
			return Keys{ID: "first", Secret: "s", Expires: time.Now().Add(renewBefore / 2)}, nil
		case 2:
			return Keys{}, errors.New("the network is down")
		}
		return Keys{ID: "third", Secret: "s", Expires: time.Now().Add(2 * renewBefore)}, nil
	}})
	fetchAll(t, client, b.keys...)
	fetchAll(t, client, b.keys...) // too soon after the first
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	for range 2 {
		client.keys.renewed = time.Time{} // long ago
		fetchAll(t, client, b.keys...)
	}
	fetchAll(t, client, b.keys...)
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
	ids := slices.Compact(seen.asked)
	if !slices.Equal(ids, []string{"first", "third"}) {
		t.Errorf("signed by %q", ids)
	}
}

// TestRefusedAtOnce has all pages that are under way be refused for one reason: the first
// to hear of it mends it, the others only ask again.
func TestRefusedAtOnce(t *testing.T) {
	b := &bucket{keys: shapes(2000, 1)["folders"], perPage: 40}
	var expired atomic.Bool
	var refused atomic.Int64
	all := make(chan struct{})
	b.before = func(w http.ResponseWriter, r *http.Request) bool {
		if !expired.Load() || !strings.Contains(r.Header.Get("Authorization"), "Credential=key1/") {
			return false
		}
		if refused.Add(1) == 4 {
			close(all)
		}
		<-all
		refuse(w, 400, "ExpiredToken", "")
		return true
	}
	b.start(t)
	var asked atomic.Int64
	client := b.client(t, Options{Listers: 4, Keys: func(context.Context) (Keys, error) {
		return Keys{ID: fmt.Sprintf("key%d", asked.Add(1)), Secret: "s"}, nil
	}})
	p, err := client.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	names, _ := namesOf(t, p), expired.Swap(true)
	for p.Next != "" {
		if p, err = client.List(t.Context(), p.Next); err != nil {
			t.Fatal(err)
		}
		names = append(names, namesOf(t, p)...)
	}
	if !slices.Equal(names, b.keys) || asked.Load() != 2 || refused.Load() != 4 {
		t.Errorf("%d names, %d times asked for keys, %d refused", len(names), asked.Load(), refused.Load())
	}
}

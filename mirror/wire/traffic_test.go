package wire

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// counted is what a Traffic has counted: requests by "op code", "again reason", and
// durations by op.
func counted(tr *Traffic) map[string]int64 {
	all := map[string]int64{}
	tr.EachRequests(func(op, code string, n int64) { all[op+" "+code] = n })
	tr.EachAgain(func(reason string, n int64) { all["again "+reason] = n })
	for op := range Guard {
		all["timed "+op.String()] = int64(tr.Took(op).Count)
	}
	return all
}

// TestTraffic counts what a server was asked, whatever it answers: each request that it
// read is counted once, by what it was for.
func TestTraffic(t *testing.T) {
	statuses := []int{200, 304, 404, 410, 429, 403, 500}
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			_, last, _ := strings.Cut(target, "#")
			if status, err := strconv.Atoi(last); err == nil && status != 200 {
				c.Say("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status)
			} else {
				c.File(target)
			}
		}
	})
	for _, depth := range []int{1, 1 << 20} {
		s.Forget()
		tr := new(Traffic)
		c := newClient(t, Options{URL: s.Base(), Pipeline: depth, Traffic: tr})
		teach(t, c)
		var names []string
		for i, name := range numbered(700) {
			names = append(names, name+"#"+strconv.Itoa(statuses[i%len(statuses)]))
		}
		fetchAll(t, c, names...)
		for range 3 {
			if _, err := fetchOne(t.Context(), c, "/list"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fetchOne(t.Context(), c, "/list#500"); !matches(err, statusCode(500)) {
			t.Fatal(err)
		}
		got := counted(tr)
		for key, want := range map[string]int64{"get 2xx": 102, "get 3xx": 100, "get 404": 100, "get 410": 100, "get 429": 100, "get 4xx": 100, "get 5xx": 100, "get error": 0, "list 2xx": 3, "list 5xx": 1, "timed list": 4} {
			if got[key] != want {
				t.Errorf("depth %d: %q is %d, want %d", depth, key, got[key], want)
			}
		}
		all := int64(0)
		for key, n := range got {
			if !strings.HasPrefix(key, "timed") && !strings.HasPrefix(key, "again") {
				all += n
			}
			if strings.HasPrefix(key, "again") && n != 0 {
				t.Errorf("depth %d: %q is %d", depth, key, n)
			}
		}
		if read := int64(len(s.Targets())); all != read {
			t.Errorf("depth %d: %d requests are counted, the server read %d: %v", depth, all, read, got)
		}
		if guards := c.Counts().Guards; got["guard 2xx"] != guards || guards == 0 {
			t.Errorf("depth %d: %d guards are counted of %d", depth, got["guard 2xx"], guards)
		}
		if got["timed get"] == 0 || got["timed get"] > 50 {
			t.Errorf("depth %d: %d gets were timed, of 702 in a few rounds", depth, got["timed get"])
		}
	}
}

// TestTrafficOfCuts has a server end every connection after 100 responses without a word:
// each end is an error, and what was on its way behind is written again.
func TestTrafficOfCuts(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Keepalive(100, false))
	tr := new(Traffic)
	c := newClient(t, Options{URL: s.Base(), Traffic: tr})
	teach(t, c)
	names := numbered(2050)
	checkEcho(t, names, fetchAll(t, c, names...))
	got := counted(tr)
	if got["get error"] == 0 || got["get error"] >= int64(s.Dials()) {
		t.Errorf("%d ends of %d connections are errors: %v", got["get error"], s.Dials(), got)
	}
	if got["again connection"] == 0 || got["again connection"] != c.Counts().Again {
		t.Errorf("%d requests were written again, %d are counted: %v", c.Counts().Again, got["again connection"], got)
	}
}

// TestTrafficUnreachable counts one error for each connection that cannot be had.
func TestTrafficUnreachable(t *testing.T) {
	s := wiretest.Serve(t, wiretest.Echo)
	s.Vanish()
	tr := new(Traffic)
	c := newClient(t, Options{URL: s.Base(), Traffic: tr})
	if r := fetchAll(t, c, "one"); !errors.Is(r[0].err, mirror.ErrUnreachable) {
		t.Error(r[0].err)
	}
	if _, err := fetchOne(t.Context(), c, "/list"); !errors.Is(err, mirror.ErrUnreachable) {
		t.Error(err)
	}
	if got := counted(tr); got["get error"] != 1 || got["list error"] != 1 {
		t.Errorf("%v", got)
	}
}

// TestCodes has every status be in one class.
func TestCodes(t *testing.T) {
	for status, want := range map[int]string{200: "2xx", 206: "2xx", 304: "3xx", 400: "4xx", 404: "404", 410: "410", 429: "429", 500: "5xx", 599: "5xx", 600: "error", 999: "error", 0: "error"} {
		if got := codeNames[codeOf(status)]; got != want {
			t.Errorf("%d is %q, want %q", status, got, want)
		}
	}
}

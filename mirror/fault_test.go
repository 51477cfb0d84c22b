package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/rs/zerolog"
)

func onName(name string, fault origintest.Fault) origintest.Faults {
	return origintest.Faults{OnGet: func(got []byte, _ int) origintest.Fault {
		if string(got) == name {
			return fault
		}
		return origintest.Fault{}
	}}
}

// TestGoneFiles has a file that was listed and is not there. That is believed
// once the origin has said so in three passes; then it is not asked again.
func TestGoneFiles(t *testing.T) {
	src := named("a", "b", "c")
	src.Vanish("b")
	r := newRig(t, serve.Options{}, src)
	r.must(r.run(nil))
	r.complete(3)
	if e, err := r.store.Lookup(cache.RootInode, "b"); err != nil || e.State != cache.Gone {
		t.Errorf("b is %+v, %v", e, err)
	}
	before := r.server.Gets("b")
	e := r.engine(nil)
	if _, err := e.Fetch(context.Background(), cache.RootInode, "b"); !errors.Is(err, cache.ErrNotFound) {
		t.Errorf("reading a file that is gone gives %v", err)
	}
	// Beside the passes it may have been picked to see whether the origin is well.
	if n := r.server.Gets("b"); n < 3 || n != before {
		t.Errorf("%d gets of a file that is gone, then %d", before, n)
	}
}

// TestReaderFindsAFileGone has a reader find that a listed file is not there. It
// is told so, but only where the origin is seen to be well is it remembered.
func TestReaderFindsAFileGone(t *testing.T) {
	src := named("a", "b", "c")
	r := newRig(t, serve.Options{}, src)
	r.must(r.run(func(o *mirror.Options) { o.Prefetch = false }))
	src.Vanish("b")
	told := ""
	e := r.engine(func(o *mirror.Options) {
		o.Events.Gone = func(_ cache.Inode, name string) { told += name }
	})
	read := func(name string) error {
		_, err := e.Fetch(context.Background(), cache.RootInode, name)
		return err
	}
	r.must(read("a"))
	r.server.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Status: 404} }})
	if err := read("c"); !errors.Is(err, mirror.ErrOutage) || told != "" {
		t.Errorf("where all files seem to be gone: %v, told of %q", err, told)
	}
	r.server.SetFaults(origintest.Faults{})
	r.must(read("c"))
	if err := read("b"); !errors.Is(err, cache.ErrNotFound) || told != "b" {
		t.Errorf("where the origin is well: %v, told of %q", err, told)
	}
	before := r.server.Gets("b")
	if err := read("b"); !errors.Is(err, cache.ErrNotFound) || r.server.Gets("b") != before {
		t.Errorf("asked again: %v", err)
	}
	r.must(e.Run(context.Background()))
	r.complete(3)
}

func TestPrefetchTellsOfFilesThatWereShown(t *testing.T) {
	src := named("a", "d/b", "c")
	r := newRig(t, serve.Options{}, src)
	r.must(r.run(func(o *mirror.Options) { o.Prefetch = false }))
	src.Vanish("d/b")
	var told []string
	r.must(r.run(func(o *mirror.Options) {
		o.Connections = 1
		o.Events.Gone = func(_ cache.Inode, name string) { told = append(told, name) }
	}))
	r.complete(3)
	if len(told) != 1 || told[0] != "b" {
		t.Errorf("told of %q", told)
	}
}

// TestFailuresOfOneFile has each way to fail for good: the file is recorded, all
// others are there, and a later run gets it.
func TestFailuresOfOneFile(t *testing.T) {
	for what, fault := range map[string]origintest.Fault{
		"status 500":      {Status: 500},
		"status 403":      {Status: 403},
		"redirect":        {Location: "http://127.0.0.2:1/elsewhere"},
		"cut":             {Mode: origintest.Cut},
		"cut in the body": {Mode: origintest.CutBody, N: 3},
		"length too long": {Mode: origintest.Length, N: 5},
		"garbage":         {Mode: origintest.Raw, Body: []byte("SSH-2.0-OpenSSH\r\n\r\n"), Close: true},
	} {
		t.Run(what, func(t *testing.T) {
			var names []string
			for i := range 300 {
				names = append(names, fmt.Sprintf("f%03d", i))
			}
			r := newRig(t, serve.Options{PageSize: 100}, named(names...))
			r.server.SetFaults(onName("f123", fault))
			r.must(r.run(nil))
			r.verify()
			p := r.store.Progress()
			if p.Failed != 1 || p.Fetched != 299 || p.Complete() {
				t.Errorf("progress %+v", p)
			}
			r.must(r.store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
				if f.Name != "f123" || f.Reason == "" || f.Tries < 1 {
					t.Errorf("recorded %+v", f)
				}
				return true
			}))
			r.server.SetFaults(origintest.Faults{})
			before := r.gets()
			r.must(r.run(nil))
			r.complete(300)
			if n := r.gets() - before; n != 1 {
				t.Errorf("the second run made %d gets", n)
			}
		})
	}
}

func TestFaultsThatPass(t *testing.T) {
	for what, fault := range map[string]origintest.Fault{
		"status 503":      {Status: 503},
		"cut":             {Mode: origintest.Cut},
		"reset":           {Mode: origintest.Cut, Reset: true},
		"cut in the body": {Mode: origintest.CutBody, N: 1},
	} {
		t.Run(what, func(t *testing.T) {
			src := serve.NewSynthetic(serve.SyntheticOptions{Files: 500})
			r := newRig(t, serve.Options{PageSize: 100}, src)
			twice := origintest.FirstTries(2, fault)
			r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, n int) origintest.Fault {
				if name[len(name)-1] != '7' {
					return origintest.Fault{}
				}
				return twice(name, n)
			}, OnList: func(_ string, n int) origintest.Fault {
				if n%2 == 0 {
					return fault
				}
				return origintest.Fault{}
			}})
			// An attempt and a listing that meet a fault look like an outage.
			r.must(r.run(func(o *mirror.Options) { o.Outage = time.Minute }))
			r.complete(500)
			r.same(src)
		})
	}
}

func TestLongFileThatBreaksOff(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 3, BodySize: 1 << 20})
	r := newRig(t, serve.Options{}, src)
	r.server.SetFaults(origintest.Faults{OnGet: origintest.FirstTries(1, origintest.Fault{Mode: origintest.CutBody, N: 500_000})})
	r.must(r.run(nil))
	r.complete(3)
	r.same(src)
}

func TestServerThatClosesEarly(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 3000})
	r := newRig(t, serve.Options{MaxRequestsPerConn: 130}, src)
	r.must(r.run(nil))
	r.complete(3000)
	r.same(src)
}

func TestOriginDown(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a"))
	r.must(r.server.Close())
	if err := r.run(soon); !errors.Is(err, mirror.ErrOutage) || !errors.Is(err, mirror.ErrUnreachable) {
		t.Errorf("an origin that is down gives %v", err)
	}
	if p := r.store.Progress(); p.Failed != 0 || p.ListingComplete {
		t.Errorf("progress %+v", p)
	}
}

func TestOriginGoesDownInBetween(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 4000})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	var down atomic.Bool
	fault := func() origintest.Fault {
		if down.Load() {
			return origintest.Fault{Mode: origintest.Cut}
		}
		return origintest.Fault{}
	}
	r.server.SetFaults(origintest.Faults{
		OnGet: func(_ []byte, n int) origintest.Fault {
			if n == 1500 {
				down.Store(true)
			}
			return fault()
		},
		OnList: func(string, int) origintest.Fault { return fault() },
	})
	err := r.run(soon)
	if !errors.Is(err, mirror.ErrOutage) {
		t.Errorf("an outage gives %v", err)
	}
	r.verify()
	p := r.store.Progress()
	if p.Complete() || p.Fetched == 0 || p.Failed != 0 {
		t.Errorf("after the outage: %+v", p)
	}
	r.server.SetFaults(origintest.Faults{})
	before := r.gets()
	r.must(r.run(nil))
	r.complete(4000)
	if n := r.gets() - before; n != 4000-int64(p.Fetched) {
		t.Errorf("%d gets for the %d files that were missing", n, 4000-p.Fetched)
	}
}

func TestListingsThatAreNone(t *testing.T) {
	for what, fault := range map[string]origintest.Fault{
		"login page":      {Body: []byte("<html><body>Please log in</body></html>")},
		"neither key":     {Body: []byte(`{"error": "no"}`)},
		"not an object":   {Body: []byte(`["a"]`)},
		"broken off":      {Body: []byte(`{"FileNames": ["a", "b`)},
		"repeated marker": {Body: []byte(`{"FileNames": ["a"], "NextFile": "50"}`)},
		"not allowed":     {Status: 401},
	} {
		t.Run(what, func(t *testing.T) {
			src := serve.NewSynthetic(serve.SyntheticOptions{Files: 100})
			r := newRig(t, serve.Options{PageSize: 50}, src)
			r.server.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
				if marker == "" {
					return origintest.Fault{}
				}
				if what == "repeated marker" {
					return origintest.Fault{Body: []byte(fmt.Sprintf(`{"FileNames": [], "NextFile": %q}`, marker))}
				}
				return fault
			}})
			err := r.run(nil)
			if err == nil || !errors.Is(err, mirror.ErrListing) && !strings.Contains(err.Error(), "401") {
				t.Errorf("the listing ends with %v", err)
			}
			r.verify()
			// The first page was fetched all the same.
			if p := r.store.Progress(); p.ListingComplete || p.Complete() || p.Fetched != 50 {
				t.Errorf("progress %+v", p)
			}
			r.server.SetFaults(origintest.Faults{})
			r.must(r.run(nil))
			r.complete(100)
		})
	}
}

func TestListingInCircles(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a"))
	next := map[string]string{"": "x", "x": "y", "y": "z", "z": "x"}
	r.server.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		return origintest.Fault{Status: 200, Body: []byte(fmt.Sprintf(`{"FileNames": ["a"], "NextFile": %q}`, next[marker]))}
	}})
	if err := r.run(nil); !errors.Is(err, mirror.ErrListing) || !strings.Contains(err.Error(), "again") {
		t.Errorf("a listing in circles gives %v", err)
	}
	r.verify()
	if p := r.store.Progress(); p.ListingComplete || p.Files != 1 {
		t.Errorf("progress %+v", p)
	}
}

func TestNamesListedTwice(t *testing.T) {
	for what, names := range map[string][]string{
		"side by side":    {"a", "a", "b"},
		"over pages":      {"a", "b", "b", "c", "c", "d"},
		"out of order":    {"d", "a", "d", "c", "a", "b"},
		"in directories":  {"x/a", "y/a", "x/a", "x/b", "y/a"},
		"file, directory": {"x", "x/a", "x", "x/a"},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRig(t, serve.Options{PageSize: 2}, named(names...))
			r.must(r.run(nil))
			r.verify()
			if p := r.store.Progress(); !p.Complete() {
				t.Errorf("progress %+v", p)
			}
		})
	}
}

func TestHostileNames(t *testing.T) {
	names := []string{".", "b/..", "../../etc/passwd", "/abs", "a/", "c//b", "nul\x00", "%2e%2e", "%%", "new\nline",
		"\xff\xfe", strings.Repeat("n", 255), strings.Repeat("o", 256), strings.Repeat("p/", 300) + "q", "ünï", "a?b#c&d=e+f", `back\slash`, `"quote"`}
	r := newRig(t, serve.Options{PageSize: 3}, named(names...))
	r.must(r.run(nil))
	r.complete(uint64(len(names)))
	for _, name := range names {
		path, err := cache.SplitName(nil, name)
		r.must(err)
		if got := r.read(strings.Join(path, "/")); got != "body of "+name {
			t.Errorf("%q holds %q", name, got)
		}
	}
}

func TestEmptyName(t *testing.T) {
	r := newRig(t, serve.Options{}, named("", "a"))
	r.must(r.run(nil))
	r.complete(2)
	if got := r.read("%%"); got != "body of " {
		t.Errorf("the file without a name holds %q", got)
	}
}

func TestNameTooLongIsLeftOut(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a", strings.Repeat("x/", cache.MaxName), "b"))
	r.must(r.run(nil))
	r.complete(2)
	if p := r.store.Progress(); p.Skipped != 1 {
		t.Errorf("progress %+v", p)
	}
}

// TestNamesThatCannotBeDecoded has names with half a character, some of which
// differ in nothing else: they are left out, and the others are there.
func TestNamesThatCannotBeDecoded(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a", "b", "z\ufffd"))
	pages := map[string]string{
		"":  `{"FileNames": ["a", "\ud800", "x\udc00", "x\udc01"], "NextFile": "1"}`,
		"1": `{"FileNames": ["\ud800\ud800y"], "NextFile": "2"}`,
		"2": `{"FileNames": ["b", "z\ufffd", "z\udfff"]}`,
	}
	r.server.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		return origintest.Fault{Body: []byte(pages[marker])}
	}})
	var log strings.Builder
	r.must(r.run(func(o *mirror.Options) { o.Log = zerolog.New(&log).Level(zerolog.WarnLevel) }))
	r.complete(3)
	if p := r.store.Progress(); p.Skipped != 5 {
		t.Errorf("progress %+v", p)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "lone surrogate") {
		t.Errorf("%d warnings: %s", n, log.String())
	}
	if got := r.read("z\ufffd"); got != "body of z\ufffd" {
		t.Errorf("it holds %q", got)
	}
}

// TestNoRoomForAnEscapedForm has a file and a directory of a name that is too long
// for the escaped form that one of them would have to take.
func TestNoRoomForAnEscapedForm(t *testing.T) {
	long := strings.Repeat("n", cache.MaxComponent)
	for _, names := range [][]string{{long + "/a", long, "z"}, {long, long + "/a", "z"}} {
		for _, size := range []int{1, 10} {
			r := newRig(t, serve.Options{PageSize: size}, named(names...))
			r.must(r.run(nil))
			r.complete(2)
			if p := r.store.Progress(); p.Skipped != 1 {
				t.Errorf("%.3q, %d in a page: %+v", names, size, p)
			}
		}
	}
}

// TestLeftOutNamesAreCountedOnce stops runs while batches with names that are left
// out wait for their turn: these are listed again.
func TestLeftOutNamesAreCountedOnce(t *testing.T) {
	const pages, size = 20, 1000
	var names []string
	for p := range pages {
		names = append(names, fmt.Sprintf("%02d", p)+strings.Repeat("/x", cache.MaxName))
		for k := range size - 1 {
			names = append(names, fmt.Sprintf("%02d-%03d", p, k))
		}
	}
	r := newRig(t, serve.Options{PageSize: size}, named(names...))
	for range 5 {
		ctx, cancel := context.WithCancel(context.Background())
		r.server.SetFaults(origintest.Faults{OnGet: func(_ []byte, n int) origintest.Fault {
			if n == 2*size {
				cancel()
			}
			return origintest.Fault{}
		}})
		if err := r.runUntil(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("a stopped run gives %v", err)
		}
		cancel()
	}
	r.server.SetFaults(origintest.Faults{})
	r.must(r.run(nil))
	r.complete(pages * (size - 1))
	if p := r.store.Progress(); p.Skipped != pages {
		t.Errorf("progress %+v", p)
	}
}

func TestListedThenPrefetched(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 3300, FilesPerDir: 7})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	r.must(r.run(func(o *mirror.Options) { o.Prefetch = false }))
	if p := r.store.Progress(); p.Files != 3300 || p.Fetched != 0 || r.gets() != 0 {
		t.Errorf("progress %+v after %d gets", p, r.gets())
	}
	r.must(r.run(nil))
	r.complete(3300)
	r.same(src)
	if n := r.gets(); n != 3300 {
		t.Errorf("%d gets", n)
	}
}

func TestStoppedAndResumed(t *testing.T) {
	// More than four stops leave time for: each lets the batches under way come to their end.
	const files = 40_000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files})
	r := newRig(t, serve.Options{PageSize: 100}, src)
	for _, stopAt := range []int{1, 777, 1500, 100} {
		ctx, cancel := context.WithCancel(context.Background())
		r.server.SetFaults(origintest.Faults{OnGet: func(_ []byte, n int) origintest.Fault {
			if n == stopAt {
				cancel()
			}
			return origintest.Fault{}
		}})
		e := r.engine(func(o *mirror.Options) { o.Grace = time.Duration(stopAt%10) * time.Millisecond })
		if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a stopped run gives %v", err)
		}
		r.must(e.Close())
		cancel()
		r.verify()
		if p := r.store.Progress(); p.Complete() || p.Failed > 0 {
			t.Errorf("after stopping at %d: %+v", stopAt, p)
		}
	}
	r.server.SetFaults(origintest.Faults{})
	missing := files - int64(r.store.Progress().Fetched)
	r.reconnect()
	before := r.gets()
	r.must(r.run(nil))
	r.complete(files)
	r.same(src)
	if n := r.gets() - before; n != missing {
		t.Errorf("%d gets for %d missing files", n, missing)
	}
}

func TestOriginHangs(t *testing.T) {
	r := newRig(t, serve.Options{PageSize: 100}, serve.NewSynthetic(serve.SyntheticOptions{Files: 1000}))
	ctx, cancel := context.WithCancel(context.Background())
	r.server.SetFaults(origintest.Faults{OnGet: func(_ []byte, n int) origintest.Fault {
		if n >= 250 {
			cancel()
			return origintest.Fault{Mode: origintest.Hang}
		}
		return origintest.Fault{}
	}})
	e := r.engine(func(o *mirror.Options) { o.Grace = 10 * time.Millisecond })
	if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped run gives %v", err)
	}
	reader := make(chan error, 1)
	go func() {
		_, err := e.Fetch(context.Background(), cache.RootInode, "file-000000000999")
		reader <- err
	}()
	r.must(e.Close()) // returns although the origin hangs
	if err := <-reader; err == nil {
		t.Error("a reader of a file that never comes gets no error")
	}
	r.verify()
	if p := r.store.Progress(); p.Complete() || p.Failed > 0 {
		t.Errorf("progress %+v", p)
	}
}

func TestClosedEngine(t *testing.T) {
	r := newRig(t, serve.Options{}, named("a"))
	e := r.engine(nil)
	r.must(e.Close())
	r.must(e.Close())
	if err := e.Run(context.Background()); !errors.Is(err, mirror.ErrClosed) {
		t.Errorf("Run gives %v", err)
	}
	if _, err := e.Fetch(context.Background(), cache.RootInode, "a"); !errors.Is(err, mirror.ErrClosed) {
		t.Errorf("Fetch gives %v", err)
	}
}

func TestOptions(t *testing.T) {
	o := mirror.Options{Connections: -1, Backoff: -1}
	o.EnsureDefaults()
	err := o.Validate()
	for _, want := range []string{"lister", "connections", "backoff"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of the %s", err, want)
		}
	}
}

// TestShiftedAnswers has a file after which every answer of its pipeline belongs
// to another request. None of them may stay.
func TestShiftedAnswers(t *testing.T) {
	answer := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for what, raw := range map[string]string{
		"twice":          answer("body of f150") + answer("body of f150"),
		"out of nothing": answer("body of f150") + answer("of nobody"),
		"length":         strings.Replace(answer("body of f150"+answer("of nobody")), "Content-Length: 5", "Content-Length: 12\r\nX: ", 1),
		"surplus":        answer("body of f150") + "surplus",
	} {
		t.Run(what, func(t *testing.T) {
			var names []string
			for i := range 300 {
				names = append(names, fmt.Sprintf("f%03d", i))
			}
			r := newRig(t, serve.Options{}, named(names...))
			r.server.SetFaults(onName("f150", origintest.Fault{Mode: origintest.Raw, Body: []byte(raw)}))
			r.must(r.run(nil))
			r.verify()
			if p := r.store.Progress(); p.Failed != 1 || p.Fetched != 299 {
				t.Errorf("progress %+v", p)
			}
			for _, name := range names {
				if name != "f150" && r.read(name) != "body of "+name {
					t.Errorf("%s holds %q", name, r.read(name))
				}
			}
			r.must(r.store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
				if f.Name != "f150" || !strings.Contains(f.Reason, "beyond the end of the response") {
					t.Errorf("recorded %+v", f)
				}
				return true
			}))
		})
	}
}

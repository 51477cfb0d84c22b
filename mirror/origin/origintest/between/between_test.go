package between

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

// files is how many requests a burst has.
const files = 1000

var source = serve.NewSynthetic(serve.SyntheticOptions{Files: files, LargeEvery: 300, LargeSize: 100_000})

// burst is a request for each file.
func burst() []byte {
	targets := make([]string, files)
	for i := range targets {
		targets[i] = "/get/" + source.Name(int64(i))
	}
	return rawhttp.Requests(targets...)
}

// responses is what a faultless network brings for a burst, and where in it each
// response ends.
func responses() (all []byte, ends []int) {
	for i := range int64(files) {
		all = fmt.Appendf(all, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", source.Size(i), source.Body(i))
		ends = append(ends, len(all))
	}
	return all, ends
}

// ways are both ways through a network.
var ways = map[string]func(*testing.T, *Network, string) net.Conn{
	"dial": func(t *testing.T, n *Network, addr string) net.Conn {
		c, err := n.Dial(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	},
	"forward": func(t *testing.T, n *Network, addr string) net.Conn {
		through, err := n.Forward(addr)
		if err != nil {
			t.Fatal(err)
		}
		return rawhttp.Dial(t, through).Conn
	},
}

// eachWay runs f with a connection in each way, through a network of its own.
func eachWay(t *testing.T, o Options, f func(t *testing.T, n *Network, c net.Conn)) {
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			s, err := serve.Open(serve.Options{}, source)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			n := New(t, o)
			f(t, n, open(t, n, s.Addr()))
		})
	}
}

// exchange sends a burst and no more, and returns all that comes.
func exchange(t *testing.T, c net.Conn) ([]byte, error) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(eventually.Deadline)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := c.Write(burst()); err == nil {
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
		}
	}()
	got, err := io.ReadAll(c)
	<-sent
	return got, err
}

// served reads the indices of the files in a stream of whole responses.
func served(t *testing.T, got []byte) (indices []int) {
	t.Helper()
	all, ends := responses()
	byResponse := make(map[string]int)
	for i, begin := range append([]int{0}, ends[:files-1]...) {
		byResponse[string(all[begin:ends[i]])] = i
	}
	c := bytes.NewReader(got)
	for c.Len() > 0 {
		before := len(got) - c.Len()
		head := bytes.Index(got[before:], endOfHead) + len(endOfHead)
		_, length, ok := parseHead(got[before : before+head])
		if !ok || before+head+length > len(got) {
			t.Fatalf("after %d responses %.100q", len(indices), got[before:])
		}
		i, ok := byResponse[string(got[before:before+head+length])]
		if !ok {
			t.Fatalf("after %d responses one that the origin did not give: %.100q", len(indices), got[before:])
		}
		indices = append(indices, i)
		_, _ = c.Seek(int64(head+length), io.SeekCurrent)
	}
	return indices
}

func TestFaultless(t *testing.T) {
	want, _ := responses()
	for what, o := range map[string]Options{
		"nothing":   {},
		"fragments": {MaxFragment: 300},
		"delays":    {MaxFragment: 5000, MaxDelay: 5 * time.Millisecond, StallEvery: 50, MaxStall: 10 * time.Millisecond},
		"late":      {LateEvery: 100, MaxLate: 20 * time.Millisecond},
	} {
		t.Run(what, func(t *testing.T) {
			eachWay(t, o, func(t *testing.T, n *Network, c net.Conn) {
				got, err := exchange(t, c)
				if !bytes.Equal(got, want) || err != nil {
					t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
				}
				did := n.Counts()
				if o.MaxFragment > 0 && did.Fragments < int64((len(want)+len(burst()))/o.MaxFragment) {
					t.Errorf("%d fragments", did.Fragments)
				}
				if (did.Delays > 0) != (o.MaxDelay > 0) || (did.Stalls > 0) != (o.StallEvery > 0) || (did.Late > 0) != (o.LateEvery > 0) {
					t.Errorf("%+v", did)
				}
			})
		})
	}
}

// TestFragments checks that each Read is a fragment, and that fragments end at
// each byte of a response sooner or later.
func TestFragments(t *testing.T) {
	s, err := serve.Open(serve.Options{}, source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := New(t, Options{MaxFragment: 50})
	c := ways["dial"](t, n, s.Addr())
	name := "/get/" + source.Name(0)
	ends, at := map[int]bool{}, 0
	length := len(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", source.Size(0), source.Body(0)))
	if _, err := c.Write(rawhttp.Requests(slices.Repeat([]string{name}, 2000)...)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<10)
	for at < 2000*length {
		k, err := c.Read(buf)
		if err != nil || k > 50 {
			t.Fatalf("%d bytes, %v", k, err)
		}
		at += k
		ends[at%length] = true
	}
	if len(ends) != length {
		t.Errorf("fragments end at %d of %d bytes", len(ends), length)
	}
}

func TestDuplicatesAndDrops(t *testing.T) {
	for what, o := range map[string]Options{
		"duplicates": {DuplicateEvery: 20},
		"drops":      {DropEvery: 20},
		"fragmented": {DuplicateEvery: 20, MaxFragment: 2000, MaxDelay: time.Millisecond},
	} {
		t.Run(what, func(t *testing.T) {
			eachWay(t, o, func(t *testing.T, n *Network, c net.Conn) {
				got, err := exchange(t, c)
				if err != nil {
					t.Fatal(err)
				}
				duplicates, drops := 0, 0
				indices := served(t, got)
				next := 0
				for _, i := range indices {
					switch {
					case i == next-1:
						duplicates++
					case i >= next:
						drops += i - next
						next = i + 1
					default:
						t.Fatalf("response %d after %d", i, next-1)
					}
				}
				did := n.Counts()
				if next != files || int64(duplicates) != did.Duplicates || int64(drops) != did.Drops {
					t.Errorf("%d duplicates and %d drops before %d; %+v", duplicates, drops, next, did)
				}
				if (did.Duplicates >= files/40) != (o.DuplicateEvery > 0) || (did.Drops >= files/40) != (o.DropEvery > 0) {
					t.Errorf("%+v", did)
				}
			})
		})
	}
}

// TestOneKind checks that no connection has two kinds of faults that could hide
// each other, and that nothing happens to a response with no request behind it.
func TestOneKind(t *testing.T) {
	s, err := serve.Open(serve.Options{}, source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := New(t, Options{DuplicateEvery: 30, DropEvery: 30, TruncateBytes: 20_000})
	for range 40 {
		before := n.Counts()
		c := ways["dial"](t, n, s.Addr())
		_, _ = exchange(t, c)
		_ = c.Close()
		did, kinds := n.Counts(), 0
		for _, more := range []bool{did.Duplicates > before.Duplicates, did.Drops > before.Drops, did.Truncations > before.Truncations} {
			if more {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%d kinds of faults: %+v after %+v", kinds, did, before)
		}
	}
	if did := n.Counts(); did.Duplicates == 0 || did.Drops == 0 || did.Truncations == 0 {
		t.Errorf("%+v", did)
	}
	always := New(t, Options{DuplicateEvery: 1})
	c := rawhttp.New(t, ways["dial"](t, always, s.Addr()))
	for i := range int64(100) {
		c.Send("/get/" + source.Name(i))
		c.Expect(200, string(source.Body(i)))
	}
	if did := always.Counts(); did.Duplicates != 0 {
		t.Errorf("%+v", did)
	}
}

func TestTruncation(t *testing.T) {
	want, _ := responses()
	s, err := serve.Open(serve.Options{}, source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for way, open := range ways {
		t.Run(way, func(t *testing.T) {
			n := New(t, Options{TruncateBytes: 20_000, MaxFragment: 5000})
			lengths, resets := map[int]bool{}, 0
			const conns = 50
			for range conns {
				c := open(t, n, s.Addr())
				got, err := exchange(t, c)
				_ = c.Close()
				if !bytes.HasPrefix(want, got) || len(got) == len(want) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				lengths[len(got)] = true
				if errors.Is(err, syscall.ECONNRESET) {
					resets++
				} else if err != nil {
					t.Errorf("%v", err)
				}
			}
			did := n.Counts()
			if did.Truncations != conns || len(lengths) < conns/2 || resets == 0 || way == "dial" && resets == conns {
				t.Errorf("%d lengths, %d resets, %+v", len(lengths), resets, did)
			}
		})
	}
}

func TestLate(t *testing.T) {
	const most = 60 * time.Millisecond
	eachWay(t, Options{LateEvery: 1, MaxLate: most}, func(t *testing.T, n *Network, nc net.Conn) {
		c := rawhttp.New(t, nc)
		for i := range int64(5) {
			start := time.Now()
			c.Send("/get/" + source.Name(i))
			c.Expect(200, string(source.Body(i)))
			if took := time.Since(start); took < most/2 {
				t.Errorf("a response came after %v", took)
			}
		}
		if did := n.Counts(); did.Late != 5 || did.Responses != 5 {
			t.Errorf("%+v", did)
		}
	})
}

// TestSeed checks that a seed decides what happens.
func TestSeed(t *testing.T) {
	s, err := serve.Open(serve.Options{}, source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(seed uint64) (all string) {
		n := New(t, Options{Seed: seed, DuplicateEvery: 50, DropEvery: 50, MaxFragment: 3000, MaxDelay: time.Millisecond})
		for range 5 {
			c := ways["dial"](t, n, s.Addr())
			got, err := exchange(t, c)
			if err != nil {
				t.Fatal(err)
			}
			all += fmt.Sprintln(served(t, got))
		}
		return all
	}
	seed := rand.Uint64()
	first := run(seed)
	if again := run(seed); again != first {
		t.Errorf("seed %d does two things", seed)
	}
	if other := run(seed + 1); other == first {
		t.Errorf("seeds %d and the next do the same", seed)
	}
}

// TestForeign checks that what is not understood is passed on.
func TestForeign(t *testing.T) {
	config, roots, err := origintest.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	all := Options{DuplicateEvery: 1, LateEvery: 10, MaxFragment: 1000, MaxDelay: time.Millisecond}
	for what, test := range map[string]struct {
		o      serve.Options
		fault  origintest.Fault
		method string
	}{
		"chunked": {fault: origintest.Fault{Mode: origintest.Chunked}, method: "GET"},
		"head":    {method: "HEAD"},
		"tls":     {o: serve.Options{TLS: config}, method: "GET"},
	} {
		t.Run(what, func(t *testing.T) {
			s, err := origintest.Open(test.o, source)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.SetFaults(origintest.Faults{OnGet: origintest.EveryNth(1, test.fault)})
			n := New(t, all)
			transport := &http.Transport{DialContext: n.Dial}
			transport.TLSClientConfig = config.Clone()
			transport.TLSClientConfig.RootCAs = roots
			defer transport.CloseIdleConnections()
			for i := range int64(20) {
				req, err := http.NewRequestWithContext(t.Context(), test.method, s.URL()+"/get/"+source.Name(i), nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || test.method == "GET" && string(body) != string(source.Body(i)) {
					t.Errorf("file %d: %d bytes, %v", i, len(body), err)
				}
			}
			if did := n.Counts(); did.Duplicates != 0 || did.Conns != 1 {
				t.Errorf("%+v", did)
			}
		})
	}
}

// TestWaitsEnd checks that deadlines and Close end whatever is waited for.
func TestWaitsEnd(t *testing.T) {
	s, err := serve.Open(serve.Options{}, source)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := New(t, Options{StallEvery: 1, MaxStall: time.Hour})
	c := ways["dial"](t, n, s.Addr())
	if err := c.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if k, err := c.Write(burst()); k > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("written %d, %v", k, err)
	}
	if err := c.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		_, err := c.Write(burst())
		ended <- err
	}()
	go func() {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	forwarded := ways["forward"](t, n, s.Addr())
	if _, err := forwarded.Write(burst()); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ended with %v", err)
		}
	}
	if k, err := forwarded.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d after the end", k)
	}
	if _, err := n.Dial(t.Context(), "tcp", s.Addr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialed after the end: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

func TestParseHead(t *testing.T) {
	for head, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n":             "200 12 true",
		"HTTP/1.1 404 No\r\nX: y\r\ncontent-length:0\r\n\r\n":       "404 0 true",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n":   "304 0 true",
		"HTTP/1.1 103 Early Hints\r\n\r\n":                          "103 0 true",
		"HTTP/1.1 200 OK\r\n\r\n":                                   "200 0 false",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":     "0 0 false",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n":             "0 0 false",
		"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n":             "0 0 false",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: none\r\n\r\n": "0 0 false",
		"nonsense\r\n\r\n": "0 0 false",
	} {
		status, length, ok := parseHead([]byte(head))
		if got := fmt.Sprint(status, length, ok); got != want {
			t.Errorf("%q: %s, want %s", head, got, want)
		}
	}
	var r requests
	for _, b := range []byte(strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 3)) {
		r.scan([]byte{b})
	}
	if r.ended.Load() != 3 || r.strange.Load() {
		t.Errorf("%d requests", r.ended.Load())
	}
	r.scan([]byte("HEAD"))
	if !r.strange.Load() {
		t.Error("a HEAD is taken for a GET")
	}
}

package page

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/histogram"
)

// stream is an open stream.
type stream struct {
	tb     testing.TB
	body   io.ReadCloser
	reader *bufio.Reader
}

func (s *server) stream() *stream {
	s.tb.Helper()
	response, err := http.Get(s.URL + "/api/events")
	if err != nil {
		s.tb.Fatal(err)
	}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		s.tb.Fatalf("a stream: %s", response.Status)
	}
	s.tb.Cleanup(func() { response.Body.Close() })
	return &stream{s.tb, response.Body, bufio.NewReader(response.Body)}
}

// next is the text of the next event.
func (s *stream) next() string {
	s.tb.Helper()
	text := ""
	for {
		line, err := s.reader.ReadString('\n')
		if err != nil {
			s.tb.Fatalf("the stream ends: %v after %q", err, text)
		}
		if line == "\n" {
			return text
		}
		text += line
	}
}

type sent struct {
	Process string
	Number  uint64
	Sample  []*float64
	Status  map[string]any
}

func (s *stream) event() (e sent) {
	s.tb.Helper()
	text, ok := strings.CutPrefix(s.next(), "data: ")
	if err := json.Unmarshal([]byte(text), &e); !ok || err != nil {
		s.tb.Fatalf("%q: %v", text, err)
	}
	return e
}

func TestStream(t *testing.T) {
	s := serve(t, openStore(t))
	events := s.stream()
	first := events.event()
	s.source.set(func(status map[string]any, m *Meters) {
		status["listed"] = 77
		m.Names = 42
	})
	for {
		e := events.event()
		if e.Process != first.Process || e.Number < first.Number || len(e.Sample) != int(fields) {
			t.Fatalf("%+v after %+v", e, first)
		}
		if e.Status["listed"] == 77.0 && *e.Sample[fieldNames] == 42 {
			break
		}
	}
	var past struct {
		Process string
		Last    uint64
		Fields  []string
		Rows    [][]*float64
	}
	s.get("/api/history", 200, &past)
	if past.Process != first.Process || uint64(len(past.Rows)) != past.Last || len(past.Fields) != int(fields) {
		t.Errorf("%d rows up to %d", len(past.Rows), past.Last)
	}
	since := past.Last - 1
	s.get(fmt.Sprintf("/api/history?since=%d", since), 200, &past)
	if uint64(len(past.Rows)) != past.Last-since {
		t.Errorf("%d rows since %d, up to %d", len(past.Rows), since, past.Last)
	}
	s.get("/api/history?since=18446744073709551615", 200, &past)
	if len(past.Rows) != 0 {
		t.Errorf("%d rows from the future", len(past.Rows))
	}
}

// TestNobodyLooks: the status is gathered only while somebody does.
func TestNobodyLooks(t *testing.T) {
	s := serve(t, openStore(t))
	events := s.stream()
	events.event()
	events.body.Close()
	eventually.True(t, "the stream to end", func() bool { return len(s.page.streams) == 0 })
	eventually.True(t, "the last event to be forgotten", func() bool { t, _ := s.page.latest.get(); return t.whole == nil && t.public == nil })
	before := s.source.asked()
	var past pastSamples
	s.get("/api/history", 200, &struct{ Last *uint64 }{&past.Last})
	eventually.True(t, "more samples", func() bool { _, last := s.page.history.after(0); return last > past.Last+5 })
	if n := s.source.asked() - before; n != 0 {
		t.Errorf("the status was asked for %d times", n)
	}
}

// TestTooManyStreams has as many streams as there may be, of which none reads.
func TestTooManyStreams(t *testing.T) {
	s := serve(t, openStore(t))
	address := s.Listener.Addr().String()
	for range maxStreams {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /api/events HTTP/1.1\r\nHost: %s\r\n\r\n", address)
	}
	eventually.True(t, "the streams", func() bool { return len(s.page.streams) == maxStreams })
	var said struct{ Error string }
	header := s.get("/api/events", 503, &said)
	if header.Get("Retry-After") == "" || !strings.Contains(said.Error, "close some") {
		t.Errorf("%q", said.Error)
	}
	s.get("/api/files", 200, nil) // nobody else is held up
	s.get("/", 200, nil)
}

// TestBrowserThatDoesNotRead has a stream stand still, as its browser reads nothing. The
// others go on, and the end does not wait for it.
func TestBrowserThatDoesNotRead(t *testing.T) {
	s := serve(t, openStore(t))
	s.source.set(func(status map[string]any, _ *Meters) { status["last_error"] = strings.Repeat("x", 1<<20) })
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually.True(t, "the stream", func() bool { return len(s.page.streams) == 1 })
	other := s.stream()
	first := other.event()
	for other.event().Number < first.Number+20 {
	}
	done := make(chan error, 1)
	go func() { done <- s.page.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(eventually.Deadline):
		t.Fatal("Close waits for who does not read")
	}
}

// TestEnd: streams are told, and later requests refused.
func TestEnd(t *testing.T) {
	s := serve(t, openStore(t))
	events := s.stream()
	events.event()
	s.source.set(func(status map[string]any, _ *Meters) { status["state"] = "complete" })
	if err := s.page.Close(); err != nil {
		t.Fatal(err)
	}
	before, text := "", ""
	for !strings.HasPrefix(text, "event: end") { // what was sent before comes first
		before, text = text, events.next()
	}
	if !strings.Contains(before, `"state":"complete"`) {
		t.Errorf("before the end comes %q, which does not say how it ended", before)
	}
	s.get("/api/files", 503, nil)
	s.get("/api/file?name=eA", 503, nil)
	s.get("/api/failures", 503, nil)
	s.get("/", 200, nil)
}

// TestCloseWaitsForReads: the store is closed after Close.
func TestCloseWaitsForReads(t *testing.T) {
	held := &heldTree{Tree: openStore(t), begun: make(chan struct{}), release: make(chan struct{})}
	s := serve(t, held)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		response, err := http.Get(s.URL + "/api/failures")
		if err == nil {
			response.Body.Close()
		}
	}()
	<-held.begun
	closed := make(chan error, 1)
	go func() { closed <- s.page.Close() }()
	<-s.page.ctx.Done()
	select {
	case <-closed:
		t.Error("Close does not wait for a request that reads the store")
	default:
	}
	close(held.release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	<-answered
}

func TestHistoryIsARing(t *testing.T) {
	h := newHistory()
	const all = historySamples + 100
	for k := range all {
		if n := h.add(sample{fieldNames: float64(k + 1)}); n != uint64(k+1) {
			t.Fatalf("sample %d has number %d", k+1, n)
		}
	}
	if got := len(h.mu.ring) * int(fields) * 8; got != historyBytes {
		t.Errorf("it takes %d bytes, want %d", got, historyBytes)
	}
	for _, c := range []struct{ since, first, n uint64 }{{0, 101, historySamples}, {50, 101, historySamples}, {200, 201, all - 200}, {all - 1, all, 1}, {all, 0, 0}, {all + 9, 0, 0}} {
		rows, last := h.after(c.since)
		if uint64(len(rows)) != c.n || last != all {
			t.Errorf("since %d: %d rows up to %d, want %d", c.since, len(rows), last, c.n)
			continue
		}
		for k, r := range rows {
			if r[fieldNames] != float64(c.first)+float64(k) {
				t.Fatalf("since %d: row %d is %v", c.since, k, r[fieldNames])
			}
		}
	}
}

func TestWithin(t *testing.T) {
	var h histogram.Histogram
	before := h.Snapshot()
	if v := within(&before, &before, 0.5); !math.IsNaN(v) {
		t.Errorf("of nothing: %v", v)
	}
	for range 98 {
		h.Observe(2 * time.Millisecond)
	}
	h.Observe(200 * time.Second)
	h.Observe(200 * time.Second)
	now := h.Snapshot()
	if v := within(&now, &before, 0.5); v <= 0.001 || v > 0.0025 {
		t.Errorf("the median is %v s", v)
	}
	if v := within(&now, &before, 0.99); v != 50 {
		t.Errorf("99 of 100 take %v s, want the highest bound", v)
	}
	if v := within(&now, &now, 0.5); !math.IsNaN(v) {
		t.Errorf("of nothing since: %v", v)
	}
	for range 10 {
		h.Observe(time.Second)
	}
	later := h.Snapshot()
	if v := within(&later, &now, 0.5); v <= 0.5 || v > 1 {
		t.Errorf("the median since then is %v s", v)
	}
}

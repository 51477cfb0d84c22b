package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

var ieee = &Algorithm{Name: "CRC-32", New: func() hash.Hash { return crc32.NewIEEE() }}

// sumField reads the field "X-Sum" in hexadecimal digits.
func sumField(dst []byte, fields *Fields) ([]byte, *Algorithm) {
	digits := fields.Get("x-sum")
	if len(digits) == 0 {
		return dst, nil
	}
	dst, err := hex.AppendDecode(dst, digits)
	if err != nil {
		return dst, nil
	}
	return dst, ieee
}

// serveSums answers "12345/length/wrong" with so many bytes, framed like that, of which
// one is wrong.
func serveSums(c *wiretest.Conn) {
	for {
		target, ok := c.Next()
		if !ok {
			return
		}
		var n int
		part := strings.Split(strings.TrimPrefix(target, "/get/"), "/")
		if len(part) < 3 {
			c.Say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		fmt.Sscan(part[0], &n)
		body := content(target, n)
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Sum: %08x\r\n", crc32.ChecksumIEEE([]byte(body)))
		switch part[2] {
		case "none":
			head = "HTTP/1.1 200 OK\r\n"
		case "wrong":
			body = body[:n/2] + string(rune(body[n/2]^1)) + body[n/2+1:]
		}
		switch part[1] {
		case "length":
			c.Say("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
		case "chunked":
			c.Say("%sTransfer-Encoding: chunked\r\n\r\n", head)
			for i := 1; len(body) > 0; i = i*3%70000 + 1 {
				k := min(i, len(body))
				c.Say("%x\r\n%s\r\n", k, body[:k])
				body = body[k:]
			}
			c.Say("0\r\n\r\n")
		case "close":
			c.Say("%s\r\n%s", head, body)
			c.CloseGently()
			return
		}
	}
}

// TestSums has bodies of every length and framing be checked, in memory, spooled and
// streamed, and those beside them come.
func TestSums(t *testing.T) {
	s := wiretest.Serve(t, serveSums)
	var names []string
	for _, n := range []int{1, 999, 1000, 1001, 64 << 10, 200 << 10} {
		for i, how := range []string{"length", "length", "chunked", "close"} {
			for _, right := range []string{"right", "wrong", "none", "right"} {
				names = append(names, fmt.Sprintf("%d/%s/%s/%d", n, how, right, i))
			}
		}
	}
	for _, spool := range []bool{false, true} {
		for _, inline := range []int{1, 1000, 100 << 10} {
			for _, pipeline := range []int{1, 1 << 20} {
				c := newClient(t, Options{URL: s.Base(), InlineLimit: inline, Pipeline: pipeline, Sum: sumField})
				results, err := newFetch(t, names).run(t.Context(), c, spool)
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range results {
					checkSum(t, names[i], r)
				}
			}
		}
	}
}

func checkSum(t *testing.T, name string, r result) {
	t.Helper()
	var n int
	fmt.Sscanf(name, "%d/", &n)
	if strings.Contains(name, "/wrong/") {
		if !errors.Is(r.err, mirror.ErrChecksum) || !mirror.Temporary(r.err) || !strings.Contains(r.err.Error(), "CRC-32") {
			t.Errorf("%s: %d bytes, stream %v, spooled %v: %v", name, len(r.body), r.stream, r.ans.Spooled, r.err)
		}
		if len(r.body) >= n && strings.Contains(name, "/length/") {
			t.Errorf("%s: all %d bytes were handed out", name, len(r.body))
		}
	} else if r.err != nil || r.body != content("/get/"+name, n) {
		t.Errorf("%s: %d bytes, stream %v, spooled %v: %v", name, len(r.body), r.stream, r.ans.Spooled, r.err)
	}
}

// TestWrongSumCostsNoConnection has a round with a wrong body in it go on, whether that is
// in memory or spooled, and has none of its requests be made again.
func TestWrongSumCostsNoConnection(t *testing.T) {
	s := wiretest.Serve(t, serveSums)
	c := newClient(t, Options{URL: s.Base(), InlineLimit: 1000, Sum: sumField})
	fetchAll(t, c, "10/length/right/1", "11/length/right/2") // the guards
	dials, asked := s.Dials(), c.Counts()
	names := []string{"20/length/right/", "20/length/wrong/", "5000/length/right/", "5000/length/wrong/", "900/chunked/wrong/", "21/length/right/"}
	results, _ := fetchSpooled(t, c, names...)
	for i, r := range results {
		checkSum(t, names[i], r)
	}
	if now := c.Counts(); s.Dials() > dials+1 || now.Again != asked.Again {
		t.Errorf("%d connections instead of 1, %d requests again", s.Dials()-dials, now.Again-asked.Again)
	}
}

// TestWrongSumOfAKnownLength has no caller that reads the declared length and not the end
// miss that it is wrong.
func TestWrongSumOfAKnownLength(t *testing.T) {
	s := wiretest.Serve(t, serveSums)
	c := newClient(t, Options{URL: s.Base(), InlineLimit: 1000, Sum: sumField})
	fetchAll(t, c, "10/length/right/1", "11/length/right/2")
	names := []string{"5000/length/wrong/", "5000/length/right/"}
	for _, spool := range []bool{false, true} {
		read := make([]error, len(names))
		b := take(names, func(i int, a *Answer, err error) {
			if err == nil && a.Stream != nil {
				_, err = io.ReadFull(a.Stream, make([]byte, a.Size))
			}
			read[i] = err
		})
		if spool {
			b.Spool = func(_ int, a *Answer) error {
				_, _ = io.ReadFull(a.Stream, make([]byte, a.Size)) // nor one who does not look
				return nil
			}
		}
		if err := c.Get(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(read[0], mirror.ErrChecksum) || read[1] != nil {
			t.Errorf("spool %v: %v", spool, read)
		}
	}
}

// TestGuardsHaveNoSum has guards prove a round of which all sums are wrong, theirs too.
func TestGuardsHaveNoSum(t *testing.T) {
	var lying atomic.Bool
	s := wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			if !ok {
				return
			}
			sum := crc32.ChecksumIEEE([]byte(target))
			if lying.Load() {
				sum++
			}
			c.Say("HTTP/1.1 200 OK\r\nX-Sum: %08x\r\nContent-Length: %d\r\n\r\n%s", sum, len(target), target)
		}
	})
	c := newClient(t, Options{URL: s.Base(), Sum: sumField})
	teach(t, c)
	lying.Store(true)
	guards, before := guardsOf(c), c.Counts()
	for _, r := range fetchAll(t, c, numbered(100)...) {
		if !errors.Is(r.err, mirror.ErrChecksum) || r.body != "" {
			t.Fatalf("%q, %v", r.body, r.err)
		}
	}
	if now := c.Counts(); now.Guards == before.Guards || now.Again != before.Again || !slices.Equal(guardsOf(c), guards) {
		t.Errorf("%+v, then %+v, and other guards: %v", before, now, !slices.Equal(guardsOf(c), guards))
	}
}

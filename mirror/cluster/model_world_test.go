package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
)

// errKilled is what a process that was killed gets of everything.
var errKilled = errors.New("killed by the test")

// life is a process between its start and when it is killed. What it asks for goes through
// pass, so that it can be stopped in the middle of anything, and be killed without cleaning up.
type life struct {
	mu     sync.Mutex
	frozen chan struct{} // closed when it goes on; nil: it is not frozen
	dead   chan struct{}
}

func newLife() *life { return &life{dead: make(chan struct{})} }

func (l *life) freeze() (thaw func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	frozen := make(chan struct{})
	l.frozen = frozen
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.frozen = nil
		close(frozen)
	}
}

// pass waits while the process is stopped, whatever becomes of its contexts: who does not run does not see
// that they end.
func (l *life) pass() error {
	for {
		l.mu.Lock()
		frozen := l.frozen
		l.mu.Unlock()
		select {
		case <-l.dead:
			return errKilled
		default:
		}
		if frozen == nil {
			return nil
		}
		select {
		case <-frozen:
		case <-l.dead:
		}
	}
}

func (l *life) kill() { close(l.dead) }

// gate is a store of one life.
type gate struct {
	objects.Store
	l *life
}

func (g gate) do(op func() error) error {
	if err := g.l.pass(); err != nil {
		return err
	}
	err := op()
	if dead := g.l.pass(); dead != nil {
		return dead
	}
	return err
}

func (g gate) Put(ctx context.Context, name string, body objects.Body) error {
	return g.do(func() error { return g.Store.Put(ctx, name, body) })
}

func (g gate) Create(ctx context.Context, name string, body objects.Body) error {
	return g.do(func() error { return g.Store.Create(ctx, name, body) })
}

func (g gate) Delete(ctx context.Context, name string) error {
	return g.do(func() error { return g.Store.Delete(ctx, name) })
}

func (g gate) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	return g.do(func() error { return g.Store.List(ctx, prefix, after, fn) })
}

func (g gate) Get(ctx context.Context, name string, off, n int64) (r io.ReadCloser, size int64, err error) {
	err = g.do(func() error {
		r, size, err = g.Store.Get(ctx, name, off, n)
		return err
	})
	return r, size, err
}

// fakeSource is an origin, and tables in JSON.
type fakeSource struct {
	l      *life
	mu     sync.Mutex
	rng    *rand.Rand
	origin *fakeOrigin
	slow   time.Duration // what a segment takes at most
}

// fakeOrigin lists names in pages.
type fakeOrigin struct {
	names []string
	page  int
	// forgets is how often, from 0 to 1, a marker that is not that of a page before is
	// refused.
	forgets float64
}

func (s *fakeSource) draw(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func (s *fakeSource) pause(ctx context.Context, most time.Duration) error {
	if err := sleep(ctx, time.Duration(s.draw(int(most)+1))); err != nil {
		return err
	}
	return s.l.pass()
}

func (s *fakeSource) Walk(ctx context.Context, marker string, take func(mirror.WalkedPage) error) error {
	at := 0
	if marker != "" {
		if float64(s.draw(1000)) < 1000*s.origin.forgets {
			return fmt.Errorf("%w: said the test", mirror.ErrMarker)
		}
		if _, err := fmt.Sscanf(marker, "m%d", &at); err != nil {
			return err
		}
	}
	for {
		if err := s.pause(ctx, 3*time.Second); err != nil {
			return err
		}
		end := min(at+s.origin.page, len(s.origin.names))
		p := mirror.Page{}
		if end < len(s.origin.names) {
			p.Next = fmt.Sprintf("m%d", end)
		}
		rest := s.origin.names[at:end]
		p.Decode = func(dst []mirror.Listed, most int, _ func(string, error)) ([]mirror.Listed, bool, error) {
			n := min(most, len(rest))
			for _, name := range rest[:n] {
				dst = append(dst, mirror.Listed{Name: name, Size: -1})
			}
			rest = rest[n:]
			return dst, len(rest) > 0, nil
		}
		if err := take(mirror.WalkedPage{Page: p, Marker: marker}); err != nil {
			return err
		}
		if p.Next == "" {
			return nil
		}
		at, marker = end, p.Next
	}
}

// fakeName is a row of a table of names.
type fakeName struct {
	Name  string
	Inode cache.Inode
}

// fakeNumbering numbers as cache does, but knows no directories.
type fakeNumbering struct {
	state struct {
		Next      cache.Inode
		Last      string
		Unordered bool
	}
	all  map[string]bool // where it is unordered
	gave []string
}

func (s *fakeSource) Numbering(state []byte) (numbering, error) {
	n := &fakeNumbering{}
	n.state.Next = cache.FirstInode
	if state != nil {
		if err := json.Unmarshal(state, &n.state); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *fakeNumbering) Add(names []cache.Name) (int, error) {
	for i, name := range names {
		switch {
		case n.all == nil && (n.state.Unordered || name.Origin <= n.state.Last):
			return i, errUnordered
		case n.all[name.Origin]:
			continue
		case n.all != nil:
			n.all[name.Origin] = true
		}
		n.state.Last = name.Origin
		n.gave = append(n.gave, name.Origin)
	}
	return len(names), nil
}

func (n *fakeNumbering) Unordered(ctx context.Context, before []*named) error {
	n.state.Unordered, n.all = true, map[string]bool{}
	for _, seg := range before {
		rows, err := readNames(ctx, seg)
		if err != nil {
			return err
		}
		for _, row := range rows {
			n.all[row.Name] = true
		}
	}
	for _, name := range n.gave {
		n.all[name] = true
	}
	return nil
}

func readNames(ctx context.Context, seg *named) (rows []fakeName, err error) {
	r, err := seg.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return rows, json.Unmarshal(text[seg.DirsSize:][:seg.FilesSize], &rows)
}

func (n *fakeNumbering) Names() int     { return len(n.gave) }
func (n *fakeNumbering) Bytes() int64   { return 0 }
func (n *fakeNumbering) Content() int64 { return 0 }
func (n *fakeNumbering) Close() error   { return nil }

func (n *fakeNumbering) State() []byte {
	text, _ := json.Marshal(n.state)
	return text
}

func (n *fakeNumbering) Finish(context.Context) (*tables, error) {
	rows := []fakeName{}
	t := &tables{}
	t.part.First = n.state.Next
	for _, name := range n.gave {
		rows = append(rows, fakeName{name, n.state.Next})
		n.state.Next++
	}
	t.part.End, t.part.Files = n.state.Next, uint64(len(rows))
	n.gave = nil
	text, _ := json.Marshal(rows)
	t.dirs, t.files = objects.BytesBody([]byte("directories")), objects.BytesBody(text)
	t.context = objects.BytesBody([]byte("context"))
	return t, nil
}

func fakeContent(name string) string { return "what is in " + name }

// fakeState says what becomes of a file: some are gone, some fail, some are blobs.
func fakeState(name string) (gone, failed, blob bool) {
	return strings.HasSuffix(name, "13"), strings.HasSuffix(name, "17"), strings.HasSuffix(name, "5")
}

func (s *fakeSource) Fetch(ctx context.Context, seg *named, out output) (counts cache.ContentCounts, err error) {
	rows, err := readNames(ctx, seg)
	if err != nil {
		return counts, err
	}
	if s.draw(3) == 0 {
		out.Waiting(1)
	}
	if s.draw(200) == 0 {
		return counts, fmt.Errorf("%w: said the test", mirror.ErrOutage)
	}
	if err := s.pause(ctx, s.slow); err != nil {
		return counts, err
	}
	for i, part := range slices.Collect(slices.Chunk(rows, max(len(rows)/2, 1))) {
		table := map[cache.Inode]string{}
		for _, row := range part {
			switch gone, failed, blob := fakeState(row.Name); {
			case gone:
				counts.Gone++
			case failed:
				counts.Failed++
			default:
				counts.Fetched++
				counts.Bytes += uint64(len(fakeContent(row.Name)))
				table[row.Inode] = fakeContent(row.Name)
				if blob {
					counts.Blobs++
					table[row.Inode] = ""
					if err := out.Blob(ctx, row.Inode, objects.BytesBody([]byte(fakeContent(row.Name)))); err != nil {
						return counts, err
					}
				}
			}
		}
		text, _ := json.Marshal(table)
		if err := out.Table(ctx, i, objects.Body{ReaderAt: bytes.NewReader(text), Size: int64(len(text))}, uint64(i), nil); err != nil {
			return counts, err
		}
	}
	return counts, nil
}

func (s *fakeSource) Share(int)             {}
func (s *fakeSource) Slow()                 {}
func (s *fakeSource) Pause(time.Duration)   {}
func (s *fakeSource) Counts() mirror.Counts { return mirror.Counts{} }

package objectstest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/motefs/motefs/mirror/objects"
)

var _ objects.Store = (*Memory)(nil)

// Memory keeps objects in memory. The zero value works, without troubles. Several clients may
// share its objects, each with troubles of its own: see Client.
type Memory struct {
	o Options
	*shared
	mu struct {
		sync.Mutex
		away   bool
		closed bool
		dice   *dice
		counts map[Op]int
	}
	init sync.Once
}

// shared are the objects.
type shared struct {
	sync.Mutex
	objects map[string]object
}

type object struct {
	text []byte
	at   time.Time
}

// New returns an empty store.
func New(o Options) *Memory {
	m := &Memory{o: o}
	m.prepare()
	return m
}

func (m *Memory) prepare() {
	m.init.Do(func() {
		if m.shared == nil {
			m.shared = &shared{objects: map[string]object{}}
		}
		if m.o.Now == nil {
			m.o.Now = time.Now
		}
		m.mu.dice, m.mu.counts = newDice(m.o.Seed), map[Op]int{}
	})
}

// Client returns a store with the same objects and other troubles.
func (m *Memory) Client(o Options) *Memory {
	m.prepare()
	c := &Memory{o: o, shared: m.shared}
	if c.o.Now == nil {
		c.o.Now = m.o.Now
	}
	c.prepare()
	return c
}

// SetAway has the store answer nothing, or answer again.
func (m *Memory) SetAway(away bool) {
	m.prepare()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.away = away
}

// Count is how many operations of a kind were asked for, with those that failed.
func (m *Memory) Count(op Op) int {
	m.prepare()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.counts[op]
}

// Objects is a copy of what is there, by the names.
func (m *Memory) Objects() map[string][]byte {
	m.prepare()
	m.shared.Lock()
	defer m.shared.Unlock()
	all := map[string][]byte{}
	for name, o := range m.objects {
		all[name] = bytes.Clone(o.text)
	}
	return all
}

// begin has an operation begin, and says what is to go wrong with it.
func (m *Memory) begin(ctx context.Context, op Op, name string) (trouble, error) {
	m.prepare()
	m.mu.Lock()
	m.mu.counts[op]++
	if m.mu.closed {
		m.mu.Unlock()
		return trouble{}, fmt.Errorf("%s %q: %w", op, name, objects.ErrClosed)
	}
	away, t := m.mu.away, m.mu.dice.roll(&m.o.Faults)
	m.mu.Unlock()
	if m.o.Hook != nil {
		if f := m.o.Hook(op, name); f != Fine {
			t.fault = f
		}
	}
	if away {
		t.fault = Away
	}
	if t.slow > 0 {
		if err := sleep(ctx, t.slow); err != nil {
			return t, err
		}
	}
	if err := ctx.Err(); err != nil {
		return t, context.Cause(ctx)
	}
	return t, t.before(ctx, op, name)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Put implements objects.Store.
func (m *Memory) Put(ctx context.Context, name string, body objects.Body) error {
	return m.write(ctx, OpPut, name, body)
}

// Create implements objects.Store.
func (m *Memory) Create(ctx context.Context, name string, body objects.Body) error {
	return m.write(ctx, OpCreate, name, body)
}

func (m *Memory) write(ctx context.Context, op Op, name string, body objects.Body) error {
	if err := objects.CheckName(name); err != nil {
		return err
	}
	t, err := m.begin(ctx, op, name)
	if err != nil {
		return err
	}
	text := make([]byte, body.Size)
	if n, err := body.ReadAt(text, 0); n < len(text) {
		return fmt.Errorf("%s %q: %d of %d bytes: %w", op, name, n, len(text), err)
	}
	m.shared.Lock()
	_, exists := m.objects[name]
	exists = exists && op == OpCreate && !t.blind && !m.o.NoCondition
	if !exists {
		m.objects[name] = object{text, m.o.Now()}
	}
	m.shared.Unlock()
	switch {
	case t.fault == Lost:
		return t.lost(op, name)
	case exists:
		return fmt.Errorf("%s %q: %w", op, name, objects.ErrExists)
	}
	return nil
}

// Get implements objects.Store.
func (m *Memory) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	if err := objects.CheckName(name); err != nil {
		return nil, 0, err
	}
	t, err := m.begin(ctx, OpGet, name)
	if err != nil {
		return nil, 0, err
	}
	m.shared.Lock()
	o, ok := m.objects[name]
	m.shared.Unlock()
	size := int64(len(o.text))
	switch {
	case t.fault == Lost:
		return nil, 0, t.lost(OpGet, name)
	case !ok:
		return nil, 0, fmt.Errorf("get %q: %w", name, objects.ErrNotFound)
	case off < 0 || off > size || n > size-off:
		return nil, 0, fmt.Errorf("get %d bytes from %d on of %q, which has %d: %w", n, off, name, size, objects.ErrRange)
	case n < 0:
		n = size - off
	}
	r := &reader{rest: o.text[off : off+n], name: name}
	if t.cut {
		r.cut = true
		r.rest = r.rest[:int(float64(len(r.rest))*t.where)]
	}
	return r, size, nil
}

// reader gives the bytes of an object, or fails behind them.
type reader struct {
	rest []byte
	name string
	cut  bool
}

func (r *reader) Read(p []byte) (int, error) {
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	switch {
	case n > 0 || len(p) == 0:
		return n, nil
	case r.cut:
		return 0, fmt.Errorf("read %q: %w: cut by the test", r.name, objects.ErrAway)
	}
	return 0, io.EOF
}

func (r *reader) Close() error { return nil }

// List implements objects.Store.
func (m *Memory) List(ctx context.Context, prefix, after string, fn func(objects.Info) bool) error {
	if err := objects.CheckPrefix(prefix); err != nil {
		return err
	}
	t, err := m.begin(ctx, OpList, prefix)
	if err != nil {
		return err
	}
	if t.fault == Lost {
		return t.lost(OpList, prefix)
	}
	m.shared.Lock()
	var found []objects.Info
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(name, prefix) && name > after {
			found = append(found, objects.Info{Name: name, Size: int64(len(m.objects[name].text)), ModTime: m.objects[name].at})
		}
	}
	m.shared.Unlock()
	if t.cut {
		found = found[:int(float64(len(found))*t.where)]
	}
	for _, info := range found {
		if !fn(info) {
			return nil
		}
	}
	if t.cut {
		return fmt.Errorf("list %q: %w: cut by the test", prefix, objects.ErrAway)
	}
	return nil
}

// Delete implements objects.Store.
func (m *Memory) Delete(ctx context.Context, name string) error {
	if err := objects.CheckName(name); err != nil {
		return err
	}
	t, err := m.begin(ctx, OpDelete, name)
	if err != nil {
		return err
	}
	m.shared.Lock()
	delete(m.objects, name)
	m.shared.Unlock()
	if t.fault == Lost {
		return t.lost(OpDelete, name)
	}
	return nil
}

// Close has everything after it fail; the objects stay, for other clients.
func (m *Memory) Close() error {
	m.prepare()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.closed = true
	return nil
}

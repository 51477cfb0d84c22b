package replica

import (
	"errors"
	"fmt"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// troubles is what readers' object store does in tests.
var troubles = objectstest.Faults{Refused: 0.05, Away: 0.05, Cut: 0.1}

// model does things to a world and its reader in a random order.
type model struct {
	*world
	t     *testing.T
	store *objectstest.Memory // the reader's
	dir   string
	seed  uint64
	quiet bool // nothing comes by itself
	rd    *reader
}

func (m *model) open() {
	m.t.Helper()
	r := opened(m.t, m.dir, m.store, func(o *Options) {
		o.CacheSize = int64(m.random.IntN(2)) * int64(1+m.random.IntN(50_000))
		o.PrefetchAll = m.random.IntN(3) == 0 && !m.quiet
		o.quiet = m.quiet
	})
	m.rd = newReader(r, m.random.Uint64())
	m.caughtUp()
}

// caughtUp waits until the reader knows what is sealed.
func (m *model) caughtUp() {
	m.t.Helper()
	eventually.True(m.t, "the mirror is followed", func() bool { return m.rd.r.catalog.Load().next == m.manifest })
}

// TestReadersOfAGrowingMirror compares what readers see, at each moment, with what is sealed:
// while the mirror grows, in order or not, through a network that fails, over restarts, with
// segments that are taken back, and with the object store away.
func TestReadersOfAGrowingMirror(t *testing.T) {
	forSeeds(t, seeds, func(t *testing.T, seed uint64, o worldOptions) {
		o.files = min(o.files, 250)
		store := objectstest.New(objectstest.Options{})
		m := &model{
			world: newWorld(t, seed, store, o), t: t, dir: t.TempDir() + "/store", seed: seed,
			store: store.Client(objectstest.Options{Faults: troubles, Seed: seed}),
		}
		m.grow(1 + m.random.IntN(50))
		m.seal(nil)
		m.open()
		for range 25 {
			if err := m.step(); err != nil {
				t.Fatal(err)
			}
		}
		for m.listed < len(m.listing) {
			m.grow(1 + m.random.IntN(100))
		}
		m.seal(nil)
		m.caughtUp()
		m.must(m.checkAll(t.Context(), m.rd))
		eventually.True(t, "all names are here", m.rd.names.ListingComplete)
		m.must(m.checkAll(t.Context(), m.rd))
		m.must(m.checkSome(t.Context(), m.rd, 20))
	})
}

func (m *model) step() error {
	switch m.random.IntN(9) {
	case 0, 1:
		if m.listed < len(m.listing)-1 {
			m.grow(1 + m.random.IntN(min(60, len(m.listing)-m.listed-1)))
		}
	case 2:
		m.seal(nil)
		m.caughtUp()
	case 3:
		m.seal(func(uint64) bool { return m.random.IntN(2) == 0 })
		m.caughtUp()
	case 4:
		return m.checkAll(m.t.Context(), m.rd)
	case 5:
		if err := m.rd.r.Close(); err != nil {
			return err
		}
		m.open()
	case 6:
		m.rd.r.space.now.Add(restTicks + 1)
		return m.rd.r.makeRoom(m.t.Context())
	case 7:
		return m.away()
	default:
		return m.checkSome(m.t.Context(), m.rd, 10)
	}
	return nil
}

// away has the object store be away for a while: what is here is served, and of the rest
// nothing is said.
func (m *model) away() error {
	m.store.SetAway(true)
	defer m.store.SetAway(false)
	r := m.rd.r
	if err := r.Close(); err != nil {
		return err
	}
	o := r.opts
	o.Patience = o.backoff
	m.rd = newReader(opened(m.t, m.dir, m.store, func(to *Options) { *to = o }), m.random.Uint64())
	defer func() {
		if err := m.rd.r.Close(); err != nil {
			m.t.Error(err)
		}
		m.store.SetAway(false)
		m.open()
	}()
	for range 20 {
		name := m.listing[m.random.IntN(len(m.listing))].Origin
		path, err := cache.SplitName(nil, name)
		if err != nil {
			return err
		}
		if _, both := m.truth["d1"]; both && path[0] == "d1" || !m.sealed[name] || !m.inOrder() {
			continue
		}
		dir, err := m.rd.walk(m.t.Context(), path[:len(path)-1])
		if err == nil {
			err = m.check(m.t.Context(), m.rd, dir.Inode, path[len(path)-1], name)
		}
		if err != nil && (errors.Is(err, cache.ErrNotFound) || !errors.Is(err, errPatience)) {
			return fmt.Errorf("with the object store away: %w", err)
		}
	}
	return nil
}

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

const modelOrigin = "https://origin.test/"

// modelDid counts what has happened in a model.
type modelDid struct {
	Kills, Frozen, Outages, Wipes int
	// Terms of the lease, those whose holder was told late that they were over, and
	// processes that have written to the chain.
	Terms, LateHolders, Listers    int
	Segments, Manifests, Leftovers int
}

func (d *modelDid) add(o modelDid) {
	d.Kills += o.Kills
	d.Frozen += o.Frozen
	d.Outages += o.Outages
	d.Wipes += o.Wipes
	d.LateHolders += o.LateHolders
	d.Segments += o.Segments
	d.Manifests += o.Manifests
	d.Leftovers += o.Leftovers
	d.Terms += o.Terms
	d.Listers += o.Listers
}

type model struct {
	t      *testing.T
	seed   uint64
	mu     sync.Mutex
	rng    *rand.Rand
	origin *fakeOrigin
	store  *objectstest.Memory
	hub    *hub
	names  int // of a segment
	slow   time.Duration
	// haunts is how long at most it takes until something happens to a process.
	haunts time.Duration
	did    modelDid
}

func (m *model) draw(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(n)
}

func newModel(t *testing.T, seed uint64) *model {
	rng := rand.New(rand.NewPCG(seed, 12))
	m := &model{t: t, seed: seed, rng: rng, store: objectstest.New(objectstest.Options{}), hub: newHub(rand.New(rand.NewPCG(seed, 13)), rng.Float64())}
	n := rng.IntN(600)
	m.origin = &fakeOrigin{page: 1 + rng.IntN(120)}
	for i := range n {
		m.origin.names = append(m.origin.names, fmt.Sprintf("d%d/f%05d", i/50, i))
	}
	slices.Sort(m.origin.names)
	if rng.IntN(3) == 0 { // no order at all
		rng.Shuffle(n, func(i, j int) { a := m.origin.names; a[i], a[j] = a[j], a[i] })
	}
	if rng.IntN(3) == 0 {
		m.origin.forgets = 0.3
	}
	m.names = 1 + rng.IntN(60)
	m.haunts = 5*time.Second + time.Duration(rng.IntN(int(2*time.Minute)))
	m.slow = time.Duration(rng.IntN(int(40 * time.Second)))
	return m
}

// faults are those of one process's store.
func (m *model) faults() objectstest.Options {
	f := objectstest.Some
	scale := float64(m.draw(100)) / 100
	for _, p := range []*float64{&f.Refused, &f.Throttled, &f.Away, &f.Lost, &f.Cut, &f.Slow} {
		*p *= scale
	}
	apart := time.Duration(m.draw(3)-1) * time.Hour // clocks
	return objectstest.Options{Faults: f, Seed: uint64(m.draw(1 << 30)), Now: func() time.Time { return time.Now().Add(apart) }}
}

// run has processes run until one has come to the end, and then all others.
func (m *model) run() {
	ctx, cancel := context.WithTimeoutCause(m.t.Context(), 48*time.Hour, errors.New("the mirror does not get complete"))
	defer cancel()
	calm, soothe := context.WithCancel(ctx) // troubles end with it
	go func() {
		_ = sleep(ctx, time.Duration(m.draw(int(20*time.Minute))))
		soothe()
	}()
	var wg sync.WaitGroup
	for i := range 2 + m.draw(4) {
		wg.Go(func() { m.process(ctx, calm, fmt.Sprintf("p%d", i)) })
	}
	wg.Go(func() { m.trouble(calm) })
	wg.Wait()
	soothe()
	m.did.LateHolders, m.did.Wipes, m.did.Terms = m.hub.late, m.hub.wiped, m.hub.terms
}

// trouble wipes the bus now and then.
func (m *model) trouble(calm context.Context) {
	for sleep(calm, time.Duration(m.draw(int(8*time.Minute)))) == nil {
		m.hub.wipe()
	}
}

// process is a process that is started again and again until its Run says that all is there.
func (m *model) process(ctx, calm context.Context, id string) {
	for life := 0; ; life++ {
		if err := sleep(ctx, time.Duration(m.draw(int(30*time.Second)))); err != nil {
			m.t.Errorf("%s: %v", id, err)
			return
		}
		err := m.live(ctx, calm, fmt.Sprintf("%s-%d", id, life))
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			m.t.Errorf("%s: %v", id, context.Cause(ctx))
			return
		case errors.Is(err, segments.ErrBad):
			m.t.Errorf("%s: %v", id, err)
			return
		}
	}
}

// live runs a process once, with troubles until calm ends.
func (m *model) live(ctx, calm context.Context, id string) error {
	l := newLife()
	client := m.store.Client(m.faults())
	store := objects.Retry(gate{client, l}, zerolog.Nop())
	bus := m.hub.join(id, l)
	head, err := segments.Open(ctx, store, modelOrigin, time.Now())
	if err != nil {
		return err
	}
	o := Options{
		Store: store, Mirror: head, Bus: bus, Process: id, SegmentNames: m.names, Slots: 1 + m.draw(2),
		source: &fakeSource{l: l, rng: rand.New(rand.NewPCG(m.seed, uint64(m.draw(1<<30)))), origin: m.origin, slow: m.slow},
	}
	p, err := Open(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { m.haunt(calm, ended, l, client, cancel) })
	result, err := p.Run(ctx)
	close(ended)
	wg.Wait()
	if err == nil && (!result.Complete || result.Files != uint64(len(m.origin.names)) || result.Left() != 0) {
		m.t.Errorf("%s says: %+v", id, result)
	}
	return err
}

// haunt kills a process, stops it for a while, takes its store away, or asks it to end.
func (m *model) haunt(calm context.Context, ended chan struct{}, l *life, client *objectstest.Memory, cancel context.CancelCauseFunc) {
	wait := func(most time.Duration) bool {
		select {
		case <-time.After(time.Duration(m.draw(int(most)))):
			return calm.Err() == nil
		case <-ended:
		case <-calm.Done():
		}
		return false
	}
	note := func(n *int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		*n++
	}
	for wait(m.haunts) {
		switch m.draw(5) {
		case 0:
			note(&m.did.Kills)
			l.kill()
			cancel(errKilled)
			return
		case 1:
			cancel(errKilled)
			return
		case 2, 3:
			note(&m.did.Frozen)
			thaw := l.freeze()
			wait(2 * time.Minute)
			thaw()
		case 4:
			note(&m.did.Outages)
			client.SetAway(true)
			wait(80 * time.Second)
			client.SetAway(false)
		}
	}
}

// check compares the mirror with its origin.
func (m *model) check() {
	t, ctx := m.t, m.t.Context()
	if t.Failed() {
		return
	}
	head, err := segments.Open(ctx, m.store, modelOrigin, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	before := m.referred(ctx, head, false)
	// One more run removes what is left over of those that were killed.
	l := newLife()
	bus := NewLocal()
	p, err := Open(Options{Store: m.store, Mirror: head, Bus: bus, source: &fakeSource{l: l, rng: m.rng, origin: m.origin}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	m.did.Leftovers = before - m.referred(ctx, head, true)
}

// referred compares all, and returns how many objects there are; clean: each of them is
// referred to.
func (m *model) referred(ctx context.Context, head segments.Mirror, clean bool) int {
	t := m.t
	t.Helper()
	r := segments.Reader{Store: m.store, Mirror: head.ID}
	var all segments.Index
	if _, err := r.Follow(ctx, &all); err != nil {
		t.Fatal(err)
	}
	var deltas segments.Index // the same by its manifests one by one
	for deltas.Next < all.Next {
		d, err := r.Manifest(ctx, deltas.Next, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := deltas.Add(&d); err != nil {
			t.Fatal(err)
		}
	}
	if !all.Complete || !deltas.Complete || len(all.Segments) != len(deltas.Segments) {
		t.Fatalf("complete %v and %v, %d and %d segments", all.Complete, deltas.Complete, len(all.Segments), len(deltas.Segments))
	}
	known := map[string]bool{segments.MirrorName: true}
	numbers, names := map[cache.Inode]bool{}, []string{}
	epochs := map[uint64]bool{}
	prev, end := "", cache.FirstInode
	for seq := range uint64(len(all.Segments)) {
		s := all.Sealed(seq)
		known[segments.NamesName(seq)], known[segments.CommitName(seq)] = true, true
		n, size, err := r.Names(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		if n.Prev != prev || n.Part.First != end || n.Attempt != s.Names || n.Complete != (seq == uint64(len(all.Segments))-1) {
			t.Errorf("segment %d: prev %q, first %d, attempt %s, complete %v", seq, n.Prev, n.Part.First, n.Attempt, n.Complete)
		}
		epochs[n.Epoch] = true
		prev, end = n.Attempt, n.Part.End
		rows, err := readNames(ctx, &named{n, size, m.store})
		if err != nil {
			t.Fatal(err)
		}
		m.contents(ctx, s, rows, known)
		for _, row := range rows {
			if numbers[row.Inode] || row.Inode < n.Part.First || row.Inode >= n.Part.End {
				t.Errorf("segment %d: the number %d", seq, row.Inode)
			}
			numbers[row.Inode] = true
			names = append(names, row.Name)
		}
	}
	m.did.Listers = len(epochs)
	m.did.Segments, m.did.Manifests = len(all.Segments), int(all.Next)
	want := slices.Sorted(slices.Values(m.origin.names))
	slices.Sort(names)
	if !slices.Equal(names, want) {
		t.Errorf("%d names are in the mirror, and %d at the origin", len(names), len(want))
	}
	there := m.store.Objects()
	for name := range there {
		if clean && !known[name] && !strings.HasPrefix(name, segments.ManifestsPrefix) {
			t.Errorf("nobody refers to %s", name)
		}
		delete(known, name)
	}
	if len(known) > 0 {
		t.Errorf("%d objects are missing: %v", len(known), known)
	}
	return len(there)
}

// contents compares what a segment's commit refers to with the origin.
func (m *model) contents(ctx context.Context, s *segments.Sealed, rows []fakeName, known map[string]bool) {
	m.t.Helper()
	found := map[cache.Inode]string{}
	for part := range s.Tables {
		name := segments.TableName(s.Seq, s.Attempt, part)
		known[name] = true
		table := map[cache.Inode]string{}
		if err := json.Unmarshal(m.read(ctx, name), &table); err != nil {
			m.t.Fatal(err)
		}
		for ino, content := range table {
			if content == "" {
				blob := segments.BlobName(s.Seq, s.Attempt, ino)
				known[blob] = true
				content = string(m.read(ctx, blob))
			}
			found[ino] = content
		}
	}
	for _, row := range rows {
		want := fakeContent(row.Name)
		if gone, failed, _ := fakeState(row.Name); gone || failed {
			want = ""
		}
		if found[row.Inode] != want {
			m.t.Errorf("%s is %q", row.Name, found[row.Inode])
		}
	}
}

func (m *model) read(ctx context.Context, name string) []byte {
	m.t.Helper()
	r, _, err := m.store.Get(ctx, name, 0, -1)
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		m.t.Fatal(err)
	}
	return text
}

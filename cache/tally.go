package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Tally finds out, once the listing is complete, which names of it were listed twice
// without a look at what is there (Progress.Unchecked). It goes over the runs and the
// entries once, in their order and in constant memory: where each number of a run has
// an entry, which is the rule, no name was. Otherwise the numbers that lost their name
// to another are taken out of their runs, which takes another walk over them. The counts
// are exact afterwards, and Unchecked is 0.
//
// It can be cut off by ctx, a crash, or an error, and is then begun again. Readers
// may go on meanwhile, and files be fetched. Nothing is done where nothing is unchecked,
// nor in a store that is only read. The error is ctx's, the disk's, or ErrCorrupt.
func (s *Store) Tally(ctx context.Context) error {
	t := &tally{s: s, ctx: ctx, numbers: new(blobTally)}
	if p := s.Progress(); p.Unchecked == 0 || !p.ListingComplete || s.readOnly != nil {
		return nil
	}
	s.commit.Lock()
	if s.commit.closed {
		s.commit.Unlock()
		return ErrClosed
	}
	t.before = s.commit.progress
	t.snapshot = s.db.NewSnapshot()
	s.commit.Unlock()
	err := t.run()
	return errors.Join(err, t.snapshot.Close())
}

// tally is what a Tally has counted.
type tally struct {
	s        *Store
	ctx      context.Context
	snapshot *pebble.Snapshot
	before   Progress // with the snapshot
	count    Progress // of the snapshot
	// numbers are those of the runs, without those of the entries.
	numbers *blobTally
	// lost are the numbers whose name another one has and that are still in their runs,
	// by run, and lostNames all names of those runs.
	lost      []lostNumbersOf
	lostNames int
	steps     uint64
}

// lostNumbersOf are numbers of one run whose names others have.
type lostNumbersOf struct {
	parent, first Inode
	numbers       []Inode
}

// tallyNames is how many names the runs have that are written in one commit.
const tallyNames = MaxPage

func (t *tally) run() error {
	if err := t.walk(keyRun, t.addRun); err != nil {
		return err
	}
	if err := t.walk(keyEntry, t.addEntry); err != nil {
		return err
	}
	if err := t.walk(keyFailed, func(_, _ []byte) error { t.count.Failed++; return nil }); err != nil {
		return err
	}
	if !t.numbers.balanced() {
		if err := t.punch(); err != nil {
			return err
		}
	}
	if !t.numbers.balanced() {
		return fmt.Errorf("%w: the names of directories and their entries do not agree", ErrCorrupt)
	}
	return t.apply(true)
}

// out takes numbers out that are accounted for.
func (t *tally) out(lost *lostNumbersOf) {
	for _, ino := range lost.numbers {
		t.numbers.toggle(uint64(ino))
	}
}

// walk calls fn for every key of the snapshot that begins with letter.
func (t *tally) walk(letter byte, fn func(key, value []byte) error) error {
	return eachKey(t.snapshot, letter, "count names", func(key, value []byte) error {
		if t.steps++; t.steps&0xfff == 0 && t.ctx.Err() != nil {
			return context.Cause(t.ctx)
		}
		return fn(key, value)
	})
}

func (t *tally) addRun(key, value []byte) error {
	_, first, ok := splitRunKey(key)
	r, err := decodeRun(value)
	if err != nil || !ok {
		return errors.Join(err, ErrCorrupt)
	}
	return r.each(0, func(k int, _ []byte) bool {
		t.numbers.toggle(uint64(first) + uint64(k))
		return true
	})
}

func (t *tally) addEntry(_, value []byte) error {
	e, err := decodeEntry(value)
	if err != nil {
		return err
	}
	if e.Kind == Dir {
		t.numbers.toggle(uint64(e.Inode))
		return nil
	}
	t.count.Files++
	if e.State == Gone {
		t.count.Gone++
		return nil
	}
	t.numbers.toggle(uint64(e.Inode))
	if e.Here() {
		t.count.Fetched++
		t.count.Bytes += uint64(e.Size)
	}
	return nil
}

// punch takes the numbers out of their runs whose name has another.
func (t *tally) punch() error {
	it, err := t.snapshot.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	if err != nil {
		return storeError("count names", err)
	}
	c := &cursor{it: it}
	err = t.walk(keyRun, func(key, value []byte) error {
		parent, first, _ := splitRunKey(key)
		r, err := decodeRun(value)
		if err != nil {
			return err
		}
		if t.ctx.Err() != nil {
			return context.Cause(t.ctx)
		}
		return t.punchRun(c, &cachedRun{run: r, parent: parent, first: first})
	})
	return errors.Join(err, c.close())
}

func (t *tally) punchRun(c *cursor, r *cachedRun) error {
	lost := lostNumbersOf{parent: r.parent, first: r.first}
	var inner error
	if err := r.each(0, func(k int, name []byte) bool {
		ino := r.first + Inode(k)
		if !t.numbers.odd(uint64(ino)) {
			return true
		}
		value, ok, err := c.find(r.parent, string(name))
		var e Entry
		if err == nil && ok {
			e, err = decodeEntry(value)
		}
		if err == nil && ok && e.Kind == r.kind && e.Inode != ino {
			lost.numbers = append(lost.numbers, ino)
		}
		inner = err
		return err == nil
	}); err != nil || inner != nil {
		return errors.Join(err, inner)
	}
	if len(lost.numbers) == 0 {
		return nil
	}
	t.out(&lost)
	t.lost = append(t.lost, lost)
	if t.lostNames += r.n; t.lostNames < tallyNames {
		return nil
	}
	return t.apply(false)
}

// apply commits what was found, at last with the counts.
func (t *tally) apply(last bool) error {
	s := t.s
	batch := s.db.NewBatch()
	defer batch.Close()
	s.commit.Lock()
	defer s.commit.Unlock()
	next := s.commit.progress
	for i := range t.lost {
		if err := t.write(batch, &t.lost[i], &next); err != nil {
			return err
		}
	}
	if last {
		t.settle(&next)
	}
	if err := s.applyLocked(batch, next); err != nil {
		return err
	}
	for i := range t.lost {
		s.runs.remove(t.lost[i].first)
	}
	t.lost, t.lostNames = t.lost[:0], 0
	return nil
}

// write adds a run without the numbers that it has lost to the batch, and takes out
// their records of failure.
func (t *tally) write(batch *pebble.Batch, lost *lostNumbersOf, next *Progress) error {
	// Read anew, as files of it may have gone since the snapshot.
	r, err := t.s.loadRun(lost.parent, lost.first)
	if err != nil {
		return err
	}
	names, err := r.names()
	if err != nil {
		return err
	}
	n := uint64(len(lost.numbers))
	next.Files -= n
	t.before.Files -= n
	for _, ino := range lost.numbers {
		names[ino-r.first] = ""
		failed, err := t.s.hasRecord(ino)
		if err != nil {
			return err
		}
		if failed {
			next.Failed--
			t.before.Failed--
			t.count.Failed--
			if err := batch.Delete(appendFailedKey(nil, ino), nil); err != nil {
				return err
			}
		}
	}
	return rewriteRun(batch, r, names)
}

// settle makes the counts exact: what was counted differs from what they said with
// the snapshot only by what was listed twice, and they were right of all since.
func (t *tally) settle(next *Progress) {
	for _, c := range []struct{ to, said, counted *uint64 }{
		{&next.Files, &t.before.Files, &t.count.Files}, {&next.Fetched, &t.before.Fetched, &t.count.Fetched},
		{&next.Bytes, &t.before.Bytes, &t.count.Bytes}, {&next.Gone, &t.before.Gone, &t.count.Gone},
		{&next.Failed, &t.before.Failed, &t.count.Failed},
	} {
		*c.to += *c.counted - *c.said
	}
	// Their sum tells the kernel of changes and must not go back; see Changes.
	next.Changed += t.before.Gone - t.count.Gone
	next.Unchecked -= t.before.Unchecked
}

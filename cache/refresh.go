package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Refreshed counts what a refresh has found.
type Refreshed struct {
	Listed   uint64 // names that the listing has
	New      uint64 // those that the store did not have
	Changed  uint64 // files with another content
	Removed  uint64 // files that are not listed any more, and not there
	Returned uint64 // files that were gone, and are there again
	Reviewed uint64 // files whose content was compared with the origin's
	// Kept counts the times that what is here was kept for want of a certain answer.
	Kept uint64
}

// numbers are the counts that are stored; Listed is in the state.
func (r *Refreshed) numbers() []*uint64 {
	return []*uint64{&r.New, &r.Changed, &r.Removed, &r.Returned, &r.Reviewed, &r.Kept}
}

// RefreshOptions say what a refresh looks at.
type RefreshOptions struct {
	// Contents has every file be asked for, not only those of which the listing says
	// that they have changed.
	Contents bool
	// DryRun has nothing be written: what would change is only counted. The map of what
	// was seen is in memory then, a bit for each file.
	DryRun bool
}

// Refresh is a walk over a store whose listing is complete, to bring it to what its
// origin is now. First the origin's listing is walked again: a name that stands where
// it stood before costs a comparison, and no lookup and no write (Match); the others
// come into pages of its Planner. Then Unseen hands out what was not listed, and with
// RefreshOptions.Contents Unreviewed all the rest. Where it was cut off, the next one
// goes on.
type Refresh struct {
	s *Store
	o RefreshOptions
	// counts, state and written are under the store's commit lock. written is the state
	// that the store has, to which what is in the store of seen belongs.
	counts         Refreshed
	state, written refreshState
	reviewed       uint64 // counts.Reviewed when written was
	seen           *seenMap
	// listed is, while a dry run compares contents, what the walk has seen.
	listed *seenMap
	saved  time.Time // when the state was last written
	// tags are pages that are not written yet, and tagBytes what they take.
	tags     []PageTag
	tagBytes int
	walk     *matcher
}

// refreshState is how far a refresh has come.
type refreshState struct {
	phase    refreshPhase
	contents bool  // RefreshOptions.Contents
	begun    int64 // in seconds since 1970
	limit    Inode // numbers from it on came since it began
	marker   string
	place    Inode  // the number that was expected there
	listed   uint64 // names before the marker
}

type refreshPhase uint8

const (
	phaseWalk     refreshPhase = iota // the listing is walked
	phaseUnseen                       // what was not listed is asked for
	phaseContents                     // contents are compared
	phaseDone
)

// saveEvery is how often the state of a refresh is written.
const saveEvery = time.Second

// append appends the value of the key "m r":
//
//	byte     phase
//	byte     1: contents are compared too
//	uvarint  when it began, its limit, the number expected at the marker, the names
//	         before it, the other counts
//	         the marker, to the end
func (s *refreshState) append(counts *Refreshed) []byte {
	value := []byte{byte(s.phase), 0}
	if s.contents {
		value[1] = 1
	}
	value = binary.AppendUvarint(value, zigzag(s.begun))
	value = binary.AppendUvarint(value, uint64(s.limit))
	value = binary.AppendUvarint(value, uint64(s.place))
	value = binary.AppendUvarint(value, s.listed)
	for _, v := range counts.numbers() {
		value = binary.AppendUvarint(value, *v)
	}
	return append(value, s.marker...)
}

// decodeRefresh reads what append wrote.
func decodeRefresh(value []byte) (state refreshState, counts Refreshed, err error) {
	d := decoder{rest: value}
	state.phase, state.contents = refreshPhase(d.byte()), d.byte() == 1
	state.begun, state.limit, state.place = unzigzag(d.uvarint()), Inode(d.uvarint()), Inode(d.uvarint())
	state.listed = d.uvarint()
	for _, v := range counts.numbers() {
		*v = d.uvarint()
	}
	state.marker = string(d.rest)
	if d.bad || state.phase > phaseDone {
		err = fmt.Errorf("%w: the state of a refresh does not decode", ErrCorrupt)
	}
	return state, counts, err
}

// Refreshing reports whether a refresh was begun and has not come to its end.
func (s *Store) Refreshing() (bool, error) {
	_, err := s.getString(metaRefresh)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Refresh begins a refresh, or goes on with one of the same kind that was cut off. One
// is used at a time, and no Rewind meanwhile. What the last one set aside is dropped.
func (s *Store) Refresh(ctx context.Context, o RefreshOptions) (*Refresh, error) {
	if !s.ListingComplete() {
		return nil, errors.New("refresh a store: its listing is not complete")
	}
	if s.readOnly != nil && !o.DryRun {
		return nil, s.readOnly
	}
	if !o.DryRun { // each name has one number then
		if err := s.Tally(ctx); err != nil {
			return nil, err
		}
	}
	r := &Refresh{s: s, o: o}
	value, err := s.getString(metaRefresh)
	if err == nil && !o.DryRun {
		r.state, r.counts, err = decodeRefresh([]byte(value))
		r.written, r.reviewed = r.state, r.counts.Reviewed
		if r.state.phase != phaseWalk {
			r.counts.Kept = 0 // they are asked for again
		}
	}
	begin := errors.Is(err, ErrNotFound) || o.DryRun || r.state.contents != o.Contents
	if err != nil && !begin {
		return nil, err
	}
	if begin {
		r.state = refreshState{contents: o.Contents, begun: s.opts.Now().Unix(), limit: Inode(s.numbers.next.Load())}
		r.counts = Refreshed{}
	}
	if r.seen, err = newSeenMap(s, r.state.limit, o.DryRun); err != nil {
		return nil, err
	}
	r.walk = newMatcher(r)
	if o.DryRun {
		return r, nil
	}
	if err := s.Flush(ctx); err != nil {
		return nil, err
	}
	if err := s.sweep(ctx); err != nil {
		return nil, err
	}
	if begin {
		err = r.write(func(batch *pebble.Batch) error { return r.seen.clear(batch) })
	}
	return r, err
}

// write writes the state, after what fn puts into the batch.
func (r *Refresh) write(fn func(*pebble.Batch) error) error {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	return r.writeLocked(r.s.commit.progress, fn)
}

func (r *Refresh) writeLocked(next Progress, fn func(*pebble.Batch) error) error {
	if r.o.DryRun {
		return nil
	}
	batch := r.s.db.NewBatch()
	defer batch.Close()
	if err := errors.Join(fn(batch), r.writeTags(batch)); err != nil {
		return err
	}
	r.written, r.reviewed = r.state, r.counts.Reviewed
	if r.state.phase < phaseDone {
		if err := batch.Set(metaRefresh, r.state.append(&r.counts), nil); err != nil {
			return err
		}
	}
	r.saved = time.Now()
	return r.s.applyLocked(batch, next)
}

// Counts are what was found so far.
func (r *Refresh) Counts() Refreshed {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	counts := r.counts
	counts.Listed = r.state.listed
	return counts
}

// Walking reports whether the listing has to be walked, and from which marker on.
func (r *Refresh) Walking() (marker string, walking bool) {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	return r.state.marker, r.state.phase == phaseWalk
}

// AskAgain takes back that n files were kept, as they are asked for again.
func (r *Refresh) AskAgain(n uint64) {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	r.counts.Kept -= n
}

// Restart has the walk begin again, for an origin that does not take the marker any
// more.
func (r *Refresh) Restart() error {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	r.state.marker, r.state.place, r.state.listed = "", 0, 0
	r.walk = newMatcher(r)
	return r.writeLocked(r.s.commit.progress, r.seen.save)
}

// Advance moves the refresh's checkpoint; see Store.Advance. Only what the mark says
// of the listing counts.
func (r *Refresh) Advance(m Mark) error {
	if !m.Listing {
		return nil
	}
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	r.state.marker, r.state.place = m.Marker, m.Place
	r.state.listed += m.Names
	if m.ListingComplete {
		r.state.phase = phaseUnseen
	} else if time.Since(r.saved) < saveEvery {
		return nil
	}
	return r.writeLocked(r.s.commit.progress, r.seen.save)
}

// Save writes what was seen so far.
func (r *Refresh) Save() error { return r.write(r.seen.save) }

// BeginContents has Unreviewed hand out every file, each once.
func (r *Refresh) BeginContents() error {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	if r.state.phase == phaseContents {
		return nil
	}
	r.state.phase = phaseContents
	if r.o.DryRun { // what is not listed is still here
		r.listed = r.seen
		var err error
		r.seen, err = newSeenMap(r.s, r.state.limit, true)
		return err
	}
	return r.writeLocked(r.s.commit.progress, r.seen.clear)
}

// Finish ends the refresh: the store is what the origin was since it began.
func (r *Refresh) Finish() error {
	if err := r.forgetTags(context.Background()); err != nil {
		return err
	}
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	next := r.s.commit.progress
	next.ListedAt = r.state.begun
	if next.Complete() {
		next.Settled = next.Next
	}
	return r.writeLocked(next, r.drop)
}

// Drop gives the refresh up; the next one begins anew.
func (r *Refresh) Drop() error { return r.write(r.drop) }

func (r *Refresh) drop(batch *pebble.Batch) error {
	r.state.phase = phaseDone
	return errors.Join(r.seen.clear(batch), batch.Delete(metaRefresh, nil))
}

// saw notes that a number was dealt with.
func (r *Refresh) saw(ino Inode) error { return r.seen.set(ino) }

// NewPlanner returns a planner for the names that Match leaves.
func (r *Refresh) NewPlanner() (*Planner, error) {
	pl, err := r.s.NewPlanner()
	if err == nil {
		pl.refresh = r
	}
	return pl, err
}

// Unseen returns a page of at most that many files that were not listed, with numbers from from on, and
// the number from which to go on, which is Limit at the end. The page is nil where none
// was met on the way. What they are is found when the page is committed: until then, not
// even that they are here is known.
func (r *Refresh) Unseen(from Inode, most int) (*Page, Inode, error) {
	return r.gather(from, most, onUnlisted, nil)
}

// Unreviewed is Unseen for the files that are here and were not compared.
func (r *Refresh) Unreviewed(from Inode, most int) (*Page, Inode, error) {
	return r.gather(from, most, onReview, func(e *Entry) bool { return e.Here() })
}

// Limit is the lowest number of what came since the refresh began.
func (r *Refresh) Limit() Inode { return r.state.limit }

func (r *Refresh) gather(from Inode, most int, ev event, take func(*Entry) bool) (*Page, Inode, error) {
	page, next, err := r.s.gather(from, r.state.limit, most, func(ino Inode) (bool, error) {
		if r.listed != nil {
			if listed, err := r.listed.has(ino); err != nil || !listed {
				return false, err
			}
		}
		seen, err := r.seen.has(ino)
		return !seen, err
	}, take)
	if page != nil {
		page.event, page.refresh, page.lazy = ev, r, take == nil
	}
	return page, next, err
}

// CountUnseen counts the files that were not listed. On its way it takes directories away in
// which there is nothing, and gives those their names back whose name a file has that is
// gone. No page with new names may be under way.
func (r *Refresh) CountUnseen(ctx context.Context) (n uint64, err error) {
	tidier := tidier{s: r.s, c: cursor{db: r.s.db}}
	n, err = r.countUnseen(ctx, &tidier)
	return n, tidier.end(err)
}

func (r *Refresh) countUnseen(ctx context.Context, tidier *tidier) (n uint64, err error) {
	for run, err := range r.s.eachRun(0, Inode(r.s.numbers.next.Load())) {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return n, err
		}
		if run.kind == Dir && !r.o.DryRun {
			if err := tidier.look(run); err != nil {
				return n, err
			}
		}
		if run.kind == Dir || run.first >= r.state.limit {
			continue
		}
		var inner error
		err := run.each(0, func(k int, _ []byte) bool {
			var seen bool
			if seen, inner = r.seen.has(run.first + Inode(k)); !seen {
				n++
			}
			return inner == nil
		})
		if err = errors.Join(err, inner); err != nil {
			return n, err
		}
	}
	return n, nil
}

// CountRemoved counts, for a dry run, files that would be asked for whether they are to
// be removed.
func (r *Refresh) CountRemoved(n uint64) {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	r.counts.Removed = n
}

// Reviewing reports whether the contents are being compared, and all that comes before
// is done.
func (r *Refresh) Reviewing() bool {
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	return r.state.phase == phaseContents
}

package cache

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Page is the unit of work: up to MaxPage files that are fetched and committed
// together. It is used by one goroutine at a time:
//
//	page := …                    from a Planner, Pending, Failed or Ask
//	page.Load()                  which of its files are here already?
//	for k: if page.Open(k) { … page.Put, PutBlob, Gone or Fail … }
//	page.Commit()                everything decided, at once
//	page.Close()
//
// Files that nothing was decided for when a new page is committed become
// pending entries. More can be decided after a Commit and committed by another. What
// becomes of each name is in the table of decide.go; compare.go finds what the store
// has of it, and commit.go carries decisions out.
type Page struct {
	s     *Store
	slots []slot
	// event is how its names were met.
	event event
	// refresh is the one that the page belongs to, or nil.
	refresh *Refresh

	// fresh is a page whose names have no run yet; its k-th number is first+k.
	fresh   bool
	careful bool  // names may be here already, see maybeHereLocked
	sorted  bool  // the listing's order was none; see sortSlots
	vouched bool  // names that were listed before are among the conflicts; see listedNames
	held    Inode // the number of a page that was asked for; see Store.hold
	// leaveBelow is that of the page's Planner.
	leaveBelow Inode
	// unchecked: some of its names were not compared with the store, so that they may
	// have been listed before.
	unchecked bool
	first     Inode

	batch   *pebble.Batch
	inBatch int  // slots decided and not committed
	late    int  // bytes that wait in slots; see slot.late
	lazy    bool // compared first when it is committed
	alone   bool // nobody else commits its files, so that nothing is to be compared
	// records are contents that go to scratchFiles, where they begin at recordsAt once they are
	// written.
	records   *[]byte
	recordsAt int64
	now       int64  // when the first of them was, in seconds since 1970; 0: none
	updates   uint64 // commit.updates when the slots were last compared
	// obsolete are numbers with a record of failure whose name another number
	// has taken.
	obsolete []Inode
}

// MaxPage is the most files that a page can have.
const MaxPage = 4096

type slotState uint8

const (
	slotOpen    slotState = iota // the origin is to be asked
	slotCame                     // content is in the batch
	slotDiffers                  // content waits in late
	slotSame                     // the origin has what is here
	slotMissing                  // 404 or 410
	slotRemoved                  // the same, of a name that is not listed any more
	slotFailed                   // it did not come
	slotSettled                  // committed, or nothing to do
)

// outcomes are the events that the states of a slot stand for.
var outcomes = [...]event{slotCame: onCame, slotDiffers: onDiffers, slotSame: onSame, slotMissing: onMissing, slotRemoved: onRemoved, slotFailed: onFailed}

// slot is one file of a page.
type slot struct {
	origin string // the origin's name
	name   string // the last component of its path
	parent Inode
	inode  Inode // of its entry, or the page's for it
	// size, modTime and etag are what the listing says; see Name.
	size    int64
	modTime int64
	etag    string
	// stored is the length of the content in the batch, blob that of its file.
	stored int64
	blob   uint64
	state  slotState
	// repeated: the name stands in the page before; known is set too.
	repeated bool
	// known: the name has an entry already.
	known bool
	// dropped: no path can stand for it.
	dropped bool
	// changed: the listing says something else than the entry.
	changed bool
	// relisted: an answer says so, and not a page of the listing; see Relist.
	relisted bool
	// promise is what is promised of the number, as far as that was looked up.
	promise promise
	// hadFailed: there is a record of an earlier failure.
	hadFailed bool
	failure   *Failure
	// review is what is here, or gone, and asked for all the same.
	review *version
	// late is another content than that, or than was promised. It gets its number when it
	// is committed, so that numbers lie close together however few files have changed.
	late *late
}

// version is what a slot remembers of an entry while the origin is asked for it.
type version struct {
	inode   Inode
	state   State
	size    int64
	sum     uint64 // of its content, as that of a blob
	blob    uint64
	modTime int64
	etag    string
}

type late struct {
	entry Entry
	body  []byte
}

// Len is the number of files.
func (p *Page) Len() int { return len(p.slots) }

// Name is the origin's name of the k-th file.
func (p *Page) Name(k int) string { return p.slots[k].origin }

// Where is the directory and the name under which the k-th file is shown.
func (p *Page) Where(k int) (parent Inode, name string) {
	return p.slots[k].parent, p.slots[k].name
}

// Inode is the number of the k-th file.
func (p *Page) Inode(k int) Inode { return p.slots[k].inode }

// Open reports whether the k-th file is still to be fetched.
func (p *Page) Open(k int) bool { return p.slots[k].state == slotOpen }

// First is the lowest number of a new page, End the one after its last.
func (p *Page) First() Inode { return p.first }

// End is the lowest number above those of a new page.
func (p *Page) End() Inode { return p.first + Inode(len(p.slots)) }

// ShouldCommit reports whether the page has gathered so much content that it is
// to be committed before more bytes of it are added.
func (p *Page) ShouldCommit(more int) bool {
	gathered := p.late
	if p.records != nil {
		gathered += len(*p.records)
	}
	if p.batch != nil {
		gathered += p.batch.Len()
	}
	return p.inBatch > 0 && gathered > 0 && gathered+more > p.s.batchLimit
}

// Reviewed reports whether the k-th file is here, or gone, and to be asked for all
// the same. Known is then the validators of what is here, if there are any.
func (p *Page) Reviewed(k int) bool { return p.slots[k].review != nil }

// Unlisted reports whether the page is of files that are not listed any more.
func (p *Page) Unlisted() bool { return p.event == onUnlisted }

// Known returns what an origin can be asked with whether the k-th file is still
// what is here; "" and 0 where nothing is. size is its length.
func (p *Page) Known(k int) (etag string, modTime, size int64) {
	if v := p.slots[k].review; v != nil && v.state != Gone {
		return v.etag, v.modTime, v.size
	}
	return "", 0, -1
}

// Load finds out which of the page's files are in the store already; those that
// are here, or gone, are not Open afterwards. It may be left out, and then is
// done by Commit.
func (p *Page) Load() error {
	p.s.commit.Lock()
	p.updates, p.lazy = p.s.commit.updates, false
	p.s.commit.Unlock()
	return p.compare()
}

// Put decides that the k-th file has that content. modTime is in seconds since
// 1970 or 0; etag may be empty. Neither body nor etag is kept. What is not listed any more
// stays what it is, if it is there.
func (p *Page) Put(k int, body []byte, modTime int64, etag []byte) error {
	if p.Unlisted() {
		return p.Same(k)
	}
	e := p.entry(k, Inline, modTime, etag)
	slot := &p.slots[k]
	kept := slot.keeps(&e, int64(len(body)), etag)
	if slot.review == nil {
		return p.put(k, &e, int64(len(body)), body, kept)
	}
	if v := slot.review; v.state == Inline && v.size == int64(len(body)) && v.sum == contentSum(body) {
		return p.Same(k)
	}
	e.Size = int64(len(body))
	return p.differs(k, &e, slices.Clone(body))
}

// PutBlob decides that the k-th file has the content that w has taken, and ends
// w.
func (p *Page) PutBlob(k int, w *BlobWriter, modTime int64, etag []byte) error {
	sum := w.sum.Sum64()
	slot := &p.slots[k]
	if p.Unlisted() {
		return errors.Join(w.Abort(), p.Same(k))
	}
	if v := slot.review; v != nil && v.state == Blob && v.size == w.size && v.sum == sum {
		return errors.Join(w.Abort(), p.Same(k))
	}
	if err := w.finish(); err != nil {
		return err
	}
	e := p.entry(k, Blob, modTime, etag)
	e.Size, e.blob, e.sum = w.size, w.id, sum
	e.Fetched = w.began // readers may have been told already
	slot.blob = w.id
	kept := slot.keeps(&e, w.size, etag)
	if slot.review != nil {
		return p.differs(k, &e, nil)
	}
	return p.put(k, &e, w.size, nil, kept)
}

// Same decides that the origin still has what is here.
func (p *Page) Same(k int) error {
	return p.decideSlot(k, slotSame)
}

func (p *Page) differs(k int, e *Entry, body []byte) error {
	p.slots[k].late = &late{*e, body}
	p.late += entryHeadLen(e) + len(body)
	return p.decideSlot(k, slotDiffers)
}

func (p *Page) decideSlot(k int, state slotState) error {
	slot := &p.slots[k]
	if slot.state != slotOpen {
		return fmt.Errorf("decide %q: decided before", slot.origin)
	}
	slot.state = state
	p.inBatch++
	return nil
}

func (p *Page) entry(k int, state State, modTime int64, etag []byte) Entry {
	if p.now == 0 {
		p.now = p.s.opts.Now().Unix()
	}
	e := Entry{Inode: p.slots[k].inode, State: state, Size: -1, ModTime: modTime, Fetched: p.now}
	if len(etag) > 0 && len(etag) <= maxETag {
		e.ETag = string(etag)
	}
	return e
}

// put puts a content into the batch, unless it is another than was promised.
func (p *Page) put(k int, e *Entry, size int64, body []byte, kept bool) error {
	slot := &p.slots[k]
	if !kept {
		e.Size = size
		return p.differs(k, e, slices.Clone(body))
	}
	if err := p.decideSlot(k, slotCame); err != nil {
		return err
	}
	slot.stored = size
	if p.listedAlone(slot) {
		p.s.scratch.files.put(p, slot, e, body)
		return nil
	}
	return p.set(slot.parent, slot.name, e, body)
}

// listedAlone reports whether a slot is of a file that scratchFiles have as it was listed.
func (p *Page) listedAlone(slot *slot) bool { return p.alone && p.s.scratch.files.has(slot.inode) }

// set adds an entry to the batch, its content copied straight into it.
func (p *Page) set(parent Inode, name string, e *Entry, body []byte) error {
	if p.batch == nil {
		p.batch = p.s.db.NewBatch()
	}
	head := entryHeadLen(e)
	op := p.batch.SetDeferred(entryKeyLen+len(name), head+len(body))
	putEntryKey(op.Key, parent, name)
	copy(op.Value[len(appendEntryHead(op.Value[:0], e)):], body)
	return op.Finish()
}

// Gone decides that the origin does not have the k-th file any more.
func (p *Page) Gone(k int) error {
	if p.event == onUnlisted {
		return p.decideSlot(k, slotRemoved)
	}
	return p.decideSlot(k, slotMissing)
}

// Fail records that the k-th file could not be fetched, once more if that is on
// record; it stays pending. What is here stays so, and nothing is recorded.
func (p *Page) Fail(k int, verdict Verdict, cause error) {
	slot, tries := &p.slots[k], 1
	if slot.failure != nil {
		tries += slot.failure.Tries
	}
	if slot.review == nil {
		slot.failure = &Failure{Name: slot.origin, When: p.s.opts.Now().Unix(), Tries: tries, Verdict: verdict, Reason: cause.Error()}
	}
	slot.state = slotFailed
	p.inBatch++
}

// Failure returns the record of the k-th file of a page from Failed, nil for
// others.
func (p *Page) Failure(k int) *Failure { return p.slots[k].failure }

// Skipped counts the files that no path can stand for after all, as a directory
// has their name. It is final once the page is committed.
func (p *Page) Skipped() (n uint64) {
	for k := range p.slots {
		if p.slots[k].dropped {
			n++
		}
	}
	return n
}

// Settled reports whether nothing of the page is left to fetch, once it is
// committed.
func (p *Page) Settled() bool {
	for k := range p.slots {
		if p.slots[k].state == slotOpen {
			return false
		}
	}
	return true
}

// Close gives up what was not committed, and with it the blob files.
func (p *Page) Close() error {
	var errs []error
	for k := range p.slots {
		if slot := &p.slots[k]; slot.blob != 0 {
			errs = append(errs, p.s.blobs.remove(slot.blob))
			slot.blob = 0
		}
	}
	if p.batch != nil {
		errs = append(errs, p.batch.Close())
		p.batch = nil
	}
	if p.held != 0 && (p.fresh || p.slots[0].state != slotOpen || p.slots[0].inode != p.held) {
		errs = append(errs, p.s.release(p.held))
	}
	return errors.Join(errs...)
}

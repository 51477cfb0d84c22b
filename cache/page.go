package cache

import (
	"errors"
	"fmt"

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
// pending entries. More can be decided after a Commit and committed by another.
type Page struct {
	s     *Store
	slots []slot

	// fresh is a page whose names have no run yet; its k-th number is first+k.
	fresh   bool
	careful bool  // names may be here already, see maybeHereLocked
	sorted  bool  // the listing's order was none; see sortSlots
	vouched bool  // names that were listed before are among the conflicts; see listedNames
	asked   bool  // made for a reader, not for the listing
	held    Inode // the number of a page that was asked for; see Store.hold
	// leaveBelow is that of the page's Planner.
	leaveBelow Inode
	// unchecked: some of its names were not compared with the store, so that they may
	// have been listed before.
	unchecked bool
	first     Inode

	batch   *pebble.Batch
	inBatch int    // slots decided and not committed
	now     int64  // when the first of them was, in seconds since 1970; 0: none
	updates uint64 // commit.updates when the slots were last compared
	// obsolete are numbers with a record of failure whose name another number
	// has taken.
	obsolete []Inode
}

// MaxPage is the most files that a page can have.
const MaxPage = 4096

type slotState uint8

const (
	slotOpen   slotState = iota // nothing is decided
	slotPut                     // content is in the batch
	slotGone                    // 404 or 410
	slotFailed                  // a record of failure is to be written
	slotClosed                  // committed, or settled before
)

// slot is one file of a page.
type slot struct {
	origin string // the origin's name
	name   string // the last component of its path
	parent Inode
	inode  Inode
	size   int64 // listed, or stored in this batch
	blob   uint64
	state  slotState
	// repeated: the name stands in the page before; elsewhere is set too.
	repeated bool
	// elsewhere: the name has an entry already, with a number of its own.
	elsewhere bool
	// dropped: no path can stand for it.
	dropped bool
	// hadFailed: there is a record of an earlier failure.
	hadFailed bool
	failure   *Failure
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
	return p.inBatch > 0 && p.batch != nil && p.batch.Len()+more > p.s.batchLimit
}

// Load finds out which of the page's files are in the store already; those that
// are here, or gone, are not Open afterwards. It may be left out, and then is
// done by Commit.
func (p *Page) Load() error {
	p.s.commit.Lock()
	p.updates = p.s.commit.updates
	p.s.commit.Unlock()
	return p.compare()
}

// Put decides that the k-th file has that content. modTime is in seconds since
// 1970 or 0; etag may be empty. Neither body nor etag is kept.
func (p *Page) Put(k int, body []byte, modTime int64, etag []byte) error {
	e := p.entry(k, Inline, modTime, etag)
	return p.put(k, &e, body)
}

// PutBlob decides that the k-th file has the content that w has taken, and ends
// w.
func (p *Page) PutBlob(k int, w *BlobWriter, modTime int64, etag []byte) error {
	if err := w.finish(); err != nil {
		return err
	}
	e := p.entry(k, Blob, modTime, etag)
	e.Size, e.blob, e.sum = w.size, w.id, w.sum.Sum64()
	e.Fetched = w.began // readers may have been told already
	p.slots[k].blob = w.id
	return p.put(k, &e, nil)
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

func (p *Page) put(k int, e *Entry, body []byte) error {
	slot := &p.slots[k]
	if slot.state != slotOpen {
		return fmt.Errorf("put %q: decided before", slot.origin)
	}
	if err := p.set(slot.parent, slot.name, e, body); err != nil {
		return err
	}
	slot.size = max(e.Size, int64(len(body)))
	slot.state = slotPut
	p.inBatch++
	return nil
}

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
	slot := &p.slots[k]
	e := p.entry(k, Gone, 0, nil)
	if err := p.set(slot.parent, slot.name, &e, nil); err != nil {
		return err
	}
	slot.state = slotGone
	p.inBatch++
	return nil
}

// Fail records that the k-th file could not be fetched, once more if that is on
// record; it stays pending.
func (p *Page) Fail(k int, verdict Verdict, cause error) {
	slot, tries := &p.slots[k], 1
	if slot.failure != nil {
		tries += slot.failure.Tries
	}
	slot.failure = &Failure{Name: slot.origin, When: p.s.opts.Now().Unix(), Tries: tries, Verdict: verdict, Reason: cause.Error()}
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
		if slot := &p.slots[k]; slot.state == slotPut && slot.blob != 0 {
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

package cache

import "slices"

// promise is what readers may have been told of the number of a file that is not here:
// what the listing says of it. It stays true of the number for ever. Another content
// gets a new one (replace), and so does an entry of which another listing says something
// else (renew).
type promise struct {
	inode   Inode // 0: nothing was promised
	size    int64
	modTime int64  // in seconds since 1970, 0: not known
	etag    string // empty: not known
}

// Promised reports whether e is a file that is not here, but of which the listing says
// length and time. Both stay what they are for its number, whatever comes.
func (e *Entry) Promised() bool {
	return e.Kind == File && e.State == Pending && e.Size >= 0 && e.ModTime != 0
}

// Keeps reports whether a content may come under the number of e, a file that is not
// here: it is what the listing says, as far as that says anything. modTime is in seconds
// since 1970, or 0; etag may be empty.
func (e *Entry) Keeps(size, modTime int64, etag []byte) bool {
	pr := promiseOf(e)
	return pr.kept(size, modTime, string(etag))
}

// promiseOf is what is promised of an entry.
func promiseOf(e *Entry) promise {
	if e.Kind != File || e.State != Pending || e.Size < 0 {
		return promise{}
	}
	return promise{e.Inode, e.Size, e.ModTime, e.ETag}
}

// kept reports whether a content is what was promised. The time counts only where no
// ETags tell the versions apart: a copy of a file, or another server, may have another
// time of the same version.
func (pr *promise) kept(size, modTime int64, etag string) bool {
	switch {
	case pr.inode == 0:
		return true
	case size != pr.size:
		return false
	case pr.etag != "" && etag != "":
		return weakETag(pr.etag) == weakETag(etag)
	}
	return pr.modTime == 0 || modTime == 0 || modTime == pr.modTime
}

// hold gives the entry of a content that was kept the time that was promised.
func (pr *promise) hold(e *Entry) {
	if pr.inode != 0 && pr.modTime != 0 {
		e.ModTime = pr.modTime
	}
}

// keeps reports whether a content of that length is what was promised, and gives its entry
// the time that was, or that the page says of it.
func (s *slot) keeps(e *Entry, size int64, etag []byte) bool {
	told := s.promise
	if told.inode == 0 && s.size >= 0 {
		told = promise{s.inode, s.size, s.modTime, s.etag}
	}
	if !told.kept(size, e.ModTime, string(etag)) {
		return s.promise.inode == 0
	}
	told.hold(e)
	return true
}

// renews reports whether a slot's pending entry is to be another, under a new number.
func (p *Page) renews(slot *slot) bool {
	return slot.state == slotOpen && slot.changed && slot.review == nil && (slot.known || !p.fresh)
}

// promised is told of a slot that is open after a commit: its entry is in the store, with
// what the page says of it.
func (p *Page) promised(slot *slot) {
	if p.renews(slot) {
		slot.hadFailed, slot.failure, slot.promise = false, nil, promiseOf(slot.pending())
	} else if p.fresh && !slot.known {
		slot.promise = promiseOf(slot.pending())
	}
	slot.changed, slot.relisted = false, false
}

// Relist has the k-th file, which is not here, be listed with another length, time and
// validator, as in Name. With the next Commit it has a new number. It stays Open.
func (p *Page) Relist(k int, size, modTime int64, etag []byte) {
	slot := &p.slots[k]
	slot.size, slot.modTime, slot.etag = size, modTime, ""
	if len(etag) <= maxETag {
		slot.etag = string(etag)
	}
	slot.relisted, slot.changed = true, true
	p.inBatch++
}

// Size is the length of the k-th file as the listing says it, in bytes, -1 where it does
// not.
func (p *Page) Size(k int) int64 {
	slot := &p.slots[k]
	if slot.size < 0 && slot.promise.inode != 0 {
		return slot.promise.size
	}
	return slot.size
}

// fit has a content go under the number of its slot's entry, which is pending, or wait
// for a new one where something else was promised of that.
func (p *Page) fit(slot *slot) (err error) {
	var e Entry
	var body []byte
	if slot.late != nil {
		e, body = slot.late.entry, slot.late.body
	} else if e, body, err = p.inBatchEntry(slot.parent, slot.name); err != nil {
		return err
	}
	size := e.Size
	if e.State == Inline {
		size = int64(len(body))
	}
	if !slot.promise.kept(size, e.ModTime, e.ETag) {
		if slot.late == nil {
			e.Size = size
			slot.late = &late{e, slices.Clone(body)}
			p.late += entryHeadLen(&e) + len(body)
		}
		slot.state = slotDiffers
		return nil
	}
	slot.promise.hold(&e)
	e.Inode = slot.inode
	slot.late, slot.state, slot.stored = nil, slotCame, size
	return p.set(slot.parent, slot.name, &e, body)
}

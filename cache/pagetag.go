package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
)

// PageTag is a page of a listing as a refresh has seen it: where the origin says that it
// is the same, by its ETag, its names are those with numbers from from on and below to.
type PageTag struct {
	ETag string
	// Next is the marker of the page that follows, empty on the last one.
	Next string
	// Names is how many the page has.
	Names    uint64
	marker   string
	from, to Inode
	begun    int64 // refreshState.begun of the refresh that saw it last
}

// maxPageTags bounds the tags that wait to be written, in bytes.
const maxPageTags = 1 << 20

// append appends the value of a key t:
//
//	uvarint  when the refresh began that saw it, from, to, names
//	3 ×      uvarint length, and text: the marker, the ETag, the next marker
func (t *PageTag) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, zigzag(t.begun))
	for _, v := range []uint64{uint64(t.from), uint64(t.to), t.Names} {
		dst = binary.AppendUvarint(dst, v)
	}
	for _, text := range []string{t.marker, t.ETag, t.Next} {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

func decodePageTag(value []byte) (PageTag, error) {
	d := decoder{rest: value}
	t := PageTag{begun: unzigzag(d.uvarint()), from: Inode(d.uvarint()), to: Inode(d.uvarint()), Names: d.uvarint()}
	for _, text := range []*string{&t.marker, &t.ETag, &t.Next} {
		*text = string(d.bytes(d.uvarint()))
	}
	if d.bad || len(d.rest) > 0 || t.from > t.to {
		return PageTag{}, fmt.Errorf("%w: what is known of a page does not decode", ErrCorrupt)
	}
	return t, nil
}

// PageTag returns what is known of the page at a marker, nil if nothing is, or if one of
// its names has another number by now.
func (r *Refresh) PageTag(marker string) (*PageTag, error) {
	value, err := r.s.getString(appendTagKey(nil, marker))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := decodePageTag([]byte(value))
	if err != nil || t.marker != marker || t.to > r.state.limit {
		return nil, err
	}
	n, err := r.names(t.from, t.to, func(Inode) error { return nil })
	if err != nil || n != t.Names {
		return nil, err
	}
	return &t, nil
}

// Unchanged notes that a page is what it was. As Match, it is called in the order of the
// listing.
func (r *Refresh) Unchanged(t *PageTag) error {
	if _, err := r.names(t.from, t.to, r.saw); err != nil {
		return err
	}
	r.walk.goTo(t.to)
	return r.remember(*t)
}

// Remember notes that the page at marker has the names from the place before it up to
// here, if it has no others: so many, all of which Match has found.
func (r *Refresh) Remember(marker, etag, next string, from Inode, names uint64) error {
	t := PageTag{ETag: etag, Next: next, Names: names, marker: marker, from: from, to: r.Place()}
	if t.from > t.to || len(etag) > maxETag {
		return nil
	}
	n, err := r.names(t.from, t.to, func(Inode) error { return nil })
	if err != nil || n != names {
		return err
	}
	return r.remember(t)
}

func (r *Refresh) remember(t PageTag) error {
	if r.o.DryRun {
		return nil
	}
	r.s.commit.Lock()
	defer r.s.commit.Unlock()
	t.begun = r.state.begun
	r.tags = append(r.tags, t)
	r.tagBytes += len(t.marker) + len(t.ETag) + len(t.Next)
	if r.tagBytes < maxPageTags {
		return nil
	}
	return r.writeLocked(r.s.commit.progress, func(*pebble.Batch) error { return nil })
}

// writeTags puts the tags that wait into a batch.
func (r *Refresh) writeTags(batch *pebble.Batch) error {
	for i := range r.tags {
		if err := batch.Set(appendTagKey(nil, r.tags[i].marker), r.tags[i].append(nil), nil); err != nil {
			return err
		}
	}
	clear(r.tags)
	r.tags, r.tagBytes = r.tags[:0], 0
	return nil
}

// forgetTags drops what is known of pages that this refresh has not met.
func (r *Refresh) forgetTags(ctx context.Context) error {
	b := bulk{s: r.s, ctx: ctx, batch: r.s.db.NewBatch()}
	err := eachKey(r.s.db, keyTag, "forget pages", func(key, value []byte) error {
		if t, bad := decodePageTag(value); bad == nil && t.begun == r.state.begun {
			return nil
		}
		return b.delete(key)
	})
	return errors.Join(err, b.end(err == nil))
}

// names calls fn for the numbers of names of files from from on and below to, and returns
// how many they are.
func (r *Refresh) names(from, to Inode, fn func(Inode) error) (n uint64, err error) {
	for run, err := range r.s.eachRun(from, to) {
		if err != nil {
			return n, err
		}
		if run.kind == Dir {
			continue
		}
		skip := 0
		if from > run.first {
			skip = int(from - run.first)
		}
		var inner error
		err := run.each(skip, func(k int, _ []byte) bool {
			if ino := run.first + Inode(k); ino < to {
				n++
				inner = fn(ino)
				return inner == nil
			}
			return false
		})
		if err = errors.Join(err, inner); err != nil {
			return n, err
		}
	}
	return n, nil
}

// appendTagKey appends the key of a page's tag: its marker may be long.
func appendTagKey(dst []byte, marker string) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyTag), xxhash.Sum64String(marker))
}

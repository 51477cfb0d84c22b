package cache

import (
	"encoding/binary"
	"fmt"
)

// Progress is what the store knows of its own completeness. It is written in
// every batch, so that it always describes exactly the entries that survive
// with it.
type Progress struct {
	// Marker is the listing's checkpoint: every page before the one at Marker
	// is in the store.
	Marker string
	// ListingComplete says that the listing has ended and every name of it is
	// in the store.
	ListingComplete bool
	// Listed says how many of the names that come after Marker may be here already, as
	// their pages were committed and the checkpoint was not moved over them: they are
	// among the first Next - Listed. Where nothing is listed for the second time, it is
	// the lowest inode that the checkpoint does not cover. It is 0 in a listing that was
	// begun again (Rewind): any name may be here.
	Listed Inode
	// Next is the lowest inode that was never given out.
	Next Inode
	// Settled is the lowest inode that a mirror has not dealt with yet: all
	// files below it are fetched, gone or recorded as failed.
	Settled Inode

	Files   uint64 // names of files that the origin has listed, or that were asked for and there
	Dirs    uint64 // directories that their names make
	Fetched uint64 // files whose content is here
	Bytes   uint64 // length of that content, in bytes
	Gone    uint64 // files that were listed and then answered 404 or 410
	Failed  uint64 // files that could not be fetched, each with a record of why
	Skipped uint64 // names before Marker that were left out
	Asked   uint64 // files that a reader asked for before they were listed
	// Unchecked counts the names of listings out of order that were written
	// without a look at what is there, so that one of them may have taken the
	// place of the same name listed before. The counts may then be too high by as
	// many. Tally makes it 0.
	Unchecked uint64
	// Changed counts the names that came, went or changed since the listing was
	// complete; see Changes.
	Changed uint64
	// ListedAt is when the walk over the listing began that was last complete, in
	// seconds since 1970; 0: it is not.
	ListedAt int64
}

// Complete reports whether every file that the origin listed is here or gone.
func (p *Progress) Complete() bool {
	return p.ListingComplete && p.Failed == 0 && p.Unchecked == 0 && p.Fetched+p.Gone == p.Files
}

// The first byte of the progress.
const (
	progressComplete = 1 << 0 // ListingComplete
	progressFollows  = 1 << 1 // Changed and ListedAt are there: from format 4 on
)

func (p *Progress) append(dst []byte) []byte {
	flags := byte(progressFollows)
	if p.ListingComplete {
		flags |= progressComplete
	}
	dst = append(dst, flags)
	for _, v := range p.numbers() {
		dst = binary.AppendUvarint(dst, *v)
	}
	dst = binary.AppendUvarint(dst, p.Changed)
	dst = binary.AppendUvarint(dst, zigzag(p.ListedAt))
	return append(dst, p.Marker...)
}

// numbers lists the numeric fields in the order in which they are stored. The
// marker comes after them, up to the end, so one more is another format.
func (p *Progress) numbers() []*uint64 {
	return []*uint64{
		(*uint64)(&p.Listed), (*uint64)(&p.Next), (*uint64)(&p.Settled),
		&p.Files, &p.Dirs, &p.Fetched, &p.Bytes, &p.Gone, &p.Failed, &p.Skipped, &p.Asked, &p.Unchecked,
	}
}

func decodeProgress(value []byte) (Progress, error) {
	d := decoder{rest: value}
	var p Progress
	flags := d.byte()
	p.ListingComplete = flags&progressComplete != 0
	for _, v := range p.numbers() {
		*v = d.uvarint()
	}
	if flags&progressFollows != 0 {
		p.Changed, p.ListedAt = d.uvarint(), unzigzag(d.uvarint())
	}
	p.Marker = string(d.rest)
	if d.bad || p.Next < FirstInode {
		return Progress{}, fmt.Errorf("%w: the checkpoint does not decode", ErrCorrupt)
	}
	return p, nil
}

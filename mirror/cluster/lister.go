package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/segments"
)

type inode = cache.Inode

// pieceNames is how many names of a page are decoded at a time.
const pieceNames = 990

// lister writes the chain of name segments.
type lister struct {
	p *Process
	k *keeper
	n numbering
	// epoch is that of the lease, or one more than the chain has.
	epoch uint64
	// next is the number of the next segment, prev the attempt of the one before, and files
	// how many files all before have.
	next  uint64
	prev  string
	files uint64

	// skip is how many names of the first page are in the chain already, and skipSum
	// their sum.
	skip, skipSum uint64
	passed        uint64 // names of this page
	sum           xxhash.Digest
	skipped       uint64 // names that cannot be decoded, since the last segment
	warned        bool
	cutAt         time.Time
	piece         []mirror.Listed
	names         []cache.Name
}

var (
	// errBehind says that the chain has grown by another's segments: the lister begins again at
	// its end.
	errBehind = errors.New("another has written the next name segment")
	// errPage says that the page at which the listing stopped is not what it was.
	errPage = errors.New("the page at which the listing stopped has changed")
)

// list lists on from the end of the chain, to the end of the listing.
func (p *Process) list(ctx context.Context, k *keeper) error {
	for n := uint64(0); ; {
		var err error
		if n, err = p.follow(ctx, n); err != nil {
			return err
		}
		err = p.listOn(ctx, k, n)
		if !errors.Is(err, errBehind) {
			return err
		}
	}
}

func (p *Process) listOn(ctx context.Context, k *keeper, n uint64) error {
	end, err := p.last(ctx, n)
	if err != nil {
		return err
	}
	l := &lister{p: p, k: k, epoch: k.epoch, next: n}
	marker := ""
	var state []byte
	if end != nil {
		if end.Complete {
			k.listed(end)
			return nil
		}
		l.epoch = max(k.epoch, end.Epoch+1)
		l.prev, l.files, l.skip, l.skipSum = end.Attempt, end.Files, end.Passed, end.PassedSum
		marker, state = end.Marker, end.State
		k.listed(end)
	}
	err = l.from(ctx, marker, state)
	// Names that are in the chain are found to be there by the numbering, which then
	// knows them all.
	switch {
	case errors.Is(err, errPage):
		p.o.Log.Warn().Err(err).Msg("its names are compared with those that were listed before")
	case errors.Is(err, mirror.ErrMarker):
		p.o.Log.Warn().Err(err).Msg("it is listed again from the beginning, and compared with what was listed before")
		marker = ""
	default:
		return err
	}
	l.skip = 0
	return l.from(ctx, marker, state)
}

// from lists from a marker on.
func (l *lister) from(ctx context.Context, marker string, state []byte) (err error) {
	if l.n, err = l.p.src.Numbering(state); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.n.Close()) }()
	l.cutAt, l.skipped = time.Now(), 0
	return l.p.src.Walk(ctx, marker, func(page mirror.WalkedPage) error { return l.page(ctx, page) })
}

// page takes a page, and cuts segments off.
func (l *lister) page(ctx context.Context, page mirror.WalkedPage) error {
	l.passed = 0
	l.sum.Reset()
	skip := l.skip
	l.skip = 0
	for more := true; more; {
		most, before := pieceNames, l.skipped
		if l.passed < skip {
			most = int(min(uint64(most), skip-l.passed))
		}
		if room := l.p.o.SegmentNames - l.n.Names(); room < most {
			most = max(room, 1)
		}
		clear(l.piece)
		var err error
		if l.piece, more, err = page.Decode(l.piece[:0], most, l.leaveOut); err != nil {
			return fmt.Errorf("page at marker %.80q: %w", page.Marker, err)
		}
		if l.passed < skip {
			l.skipped = before // they are counted
			if err := l.pass(skip); err != nil {
				return err
			}
			continue
		}
		if err := l.add(ctx); err != nil {
			return err
		}
		if l.full() && more {
			if err := l.cut(ctx, place{page.Marker, false, l.passed, l.sum.Sum64()}); err != nil {
				return err
			}
		}
	}
	if l.passed < skip {
		return fmt.Errorf("%w: it has %d names, of which %d were listed", errPage, l.passed, skip)
	}
	end := place{marker: page.Next, complete: page.Next == ""}
	if end.complete || l.full() || l.n.Names() > 0 && time.Since(l.cutAt) >= l.p.o.soon(hungryAfter) && l.p.hungry() {
		return l.cut(ctx, end)
	}
	return nil
}

// note counts the names of the piece as passed.
func (l *lister) note() {
	for i := range l.piece {
		_, _ = l.sum.WriteString(l.piece[i].Name) // which never fails
		_, _ = l.sum.Write([]byte{0})
	}
	l.passed += uint64(len(l.piece))
}

// pass leaves names out that are in the chain.
func (l *lister) pass(skip uint64) error {
	l.note()
	if l.passed == skip && l.sum.Sum64() != l.skipSum {
		return fmt.Errorf("%w: its first %d names are others than were listed", errPage, skip)
	}
	return nil
}

// add numbers the names of the piece.
func (l *lister) add(ctx context.Context) error {
	l.note()
	l.names = l.names[:0]
	for i := range l.piece {
		x := &l.piece[i]
		l.names = append(l.names, cache.Name{Origin: x.Name, Size: x.Size, ModTime: x.ModTime, ETag: x.ETag})
	}
	defer clear(l.names)
	for rest := l.names; ; {
		taken, err := l.n.Add(rest)
		if rest = rest[taken:]; !errors.Is(err, errUnordered) {
			return err
		}
		before := make([]*named, 0, l.next)
		for seq := range l.next {
			head, err := l.p.named(ctx, seq)
			if err != nil {
				return err
			}
			before = append(before, head)
		}
		if err := l.n.Unordered(ctx, before); err != nil {
			return err
		}
	}
}

func (l *lister) full() bool {
	return l.n.Names() >= l.p.o.SegmentNames || l.n.Bytes() >= SegmentBytes || l.n.Content() >= SegmentContent
}

// leaveOut takes note of a name that cannot be decoded.
func (l *lister) leaveOut(name string, err error) {
	l.skipped++
	if l.warned {
		return
	}
	l.warned = true
	l.p.o.Log.Warn().Err(err).Str("name", fmt.Sprintf("%.80q", name)).Msg("a name is left out, as no path can stand for it; further ones are only counted")
}

// place is where the listing stands after a segment.
type place struct {
	marker            string
	complete          bool
	passed, passedSum uint64
}

// cut writes what was gathered as the next name segment.
func (l *lister) cut(ctx context.Context, at place) error {
	t, err := l.n.Finish(ctx)
	if err != nil {
		return err
	}
	t.part.Skipped += l.skipped
	head := segments.Names{
		Seq: l.next, Attempt: segments.NewAttempt(), Prev: l.prev, Epoch: l.epoch,
		Marker: at.marker, Complete: at.complete, Passed: at.passed, PassedSum: at.passedSum,
		State: l.n.State(), Part: t.part, Files: l.files + t.part.Files,
		NameSizes: segments.NameSizes{DirsSum: t.dirsSum, FilesSum: t.filesSum}, ContextSum: t.contextSum,
	}
	winner, err := l.p.reader.WriteNames(ctx, head, t.dirs, t.files, t.context)
	if errors.Is(err, segments.ErrLost) {
		if winner.Epoch > l.epoch {
			return fmt.Errorf("%w: %w", errSuperseded, err)
		}
		return fmt.Errorf("%w: %w", errBehind, err)
	}
	if err != nil {
		return err
	}
	l.next, l.prev, l.files, l.skipped, l.cutAt = l.next+1, head.Attempt, head.Files, 0, time.Now()
	l.k.listed(&winner)
	return l.k.offerNew(ctx, winner.Seq)
}

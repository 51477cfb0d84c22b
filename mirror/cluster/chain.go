package cluster

import (
	"context"
	"fmt"

	"github.com/motefs/motefs/mirror/segments"
)

// follow returns how many name segments there are, where known were there before. They are a
// chain, so that a number which a listing leaves out, though there are later ones, is one that
// it did not see yet.
func (p *Process) follow(ctx context.Context, known uint64) (uint64, error) {
	err := p.reader.Seqs(ctx, segments.NamesPrefix, known, func(seq uint64) bool {
		if seq != known {
			return seq < known
		}
		known++
		return true
	})
	return known, err
}

// last returns the head of the last of n name segments, whose link to the one before it
// checks; nil where there is none.
func (p *Process) last(ctx context.Context, n uint64) (*segments.Names, error) {
	if n == 0 {
		return nil, nil
	}
	head, _, err := p.reader.Names(ctx, n-1)
	if err != nil || n == 1 {
		return &head, err
	}
	before, _, err := p.reader.Names(ctx, n-2)
	if err != nil {
		return nil, err
	}
	return &head, linked(before.Attempt, before.Part.End, &head)
}

// linked checks that a name segment follows the one before it.
func linked(attempt string, end inode, head *segments.Names) error {
	if head.Prev != attempt || head.Part.First != end {
		return fmt.Errorf("%s: %w: it follows an attempt %s that ends at %d, and that before it is %s and ends at %d", segments.NamesName(head.Seq), segments.ErrBad,
			head.Prev, head.Part.First, attempt, end)
	}
	return nil
}

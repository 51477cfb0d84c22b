package mirror

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// lengths are what is known of how long files are, where the bytes a second are limited: as many files
// are asked for as a piece of the rate has room for, and their bytes are waited for before.
type lengths struct {
	mean atomic.Int64 // bytes of a file, or unknownLength
	// spare is what was waited for and did not come, of a second at most: more would be asked for at
	// once.
	spare atomic.Int64
}

// unknownLength is the mean before the first file came. One file is then taken to be a whole piece.
const unknownLength = -1

// grant is what may be asked for at once.
type grant struct {
	p     *pace
	files int
	left  int64 // bytes that were waited for, and did not come so far
	bytes int64 // that came
}

// grant waits until something may be asked for, at most want files. The grant is to be ended.
func (p *pace) grant(ctx context.Context, want int) (grant, error) {
	for {
		g, err := p.granted(ctx, want)
		if err != nil {
			return g, err
		}
		// The origin may want to be left alone since the limits are waited for. They are waited for again
		// then, or all would ask at once as that ends.
		if until, _ := p.state(time.Now()); until.IsZero() {
			return g, nil
		}
	}
}

func (p *pace) granted(ctx context.Context, want int) (g grant, err error) {
	g = grant{p: p}
	if p.bytes == nil {
		g.files, err = p.take(ctx, want)
		return g, err
	}
	piece, mean := int64(p.piece()), p.lengths.mean.Load()
	if mean == unknownLength {
		mean = piece
	}
	if g.files, err = p.take(ctx, int(min(int64(want), max(piece/max(mean, 1), 1)))); err != nil {
		return g, err
	}
	g.left = min(int64(g.files)*mean, piece)
	return g, waitAll(ctx, p.bytes, g.left-p.lengths.take(g.left))
}

// piece is how many bytes come at once at most.
func (p *pace) piece() int {
	if p.bytes == nil {
		return math.MaxInt
	}
	return p.bytes.Burst()
}

// take takes some of what is spare, at most most.
func (l *lengths) take(most int64) int64 {
	for {
		spare := l.spare.Load()
		taken := min(spare, most)
		if l.spare.CompareAndSwap(spare, spare-taken) {
			return taken
		}
	}
}

// give gives back what was waited for and did not come; spare is most at most.
func (l *lengths) give(left, most int64) {
	for {
		spare := l.spare.Load()
		if l.spare.CompareAndSwap(spare, max(spare, min(spare+left, most))) {
			return
		}
	}
}

// came takes note of bytes that came, and waits where they are more than was expected.
func (g *grant) came(ctx context.Context, bytes int64) error {
	g.bytes += bytes
	expected := min(g.left, bytes)
	g.left -= expected
	if g.p.bytes == nil {
		return nil
	}
	return waitAll(ctx, g.p.bytes, bytes-expected)
}

// end takes note that all was answered, the last with so many bytes more. So many files came; the
// others say nothing of how long files are.
func (g *grant) end(ctx context.Context, came int, bytes int64) error {
	g.p.answered.Add(int64(g.files))
	if g.p.bytes == nil {
		return nil
	}
	err := g.came(ctx, bytes)
	l := &g.p.lengths
	l.give(g.left, pieces*int64(g.p.piece()))
	g.left = 0
	if came == 0 {
		return err
	}
	mean := (g.bytes + int64(came) - 1) / int64(came)
	if before := l.mean.Load(); before != unknownLength {
		mean = (3*before + mean) / 4
	}
	l.mean.Store(mean)
	return err
}

package cache

import (
	"errors"
	"math/rand/v2"
	"slices"
)

// Draw returns a page of up to n files that are here, drawn at random, each number as
// likely as any other and with replacement; nil where too few of the numbers have one.
func (r *Refresh) Draw(n int) (*Page, error) {
	page := &Page{s: r.s, event: onReview, refresh: r}
	var drawn []Inode
	for range 100 * n {
		if len(page.slots) == n || r.state.limit <= FirstInode {
			break
		}
		ino := FirstInode + Inode(rand.Uint64N(uint64(r.state.limit-FirstInode))) //nolint:gosec // a sample, no secret
		if slices.Contains(drawn, ino) {
			continue // once in a page
		}
		parent, name, err := r.s.locate(ino)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		e, err := r.s.Lookup(parent, name)
		if err != nil {
			return nil, err
		}
		if !e.Here() || e.Kind != File || e.Inode != ino {
			continue
		}
		g := gatherer{s: r.s, page: page}
		if err := g.add(parent, []byte(name), &e); err != nil {
			return nil, err
		}
		drawn = append(drawn, ino)
	}
	if len(page.slots) == 0 {
		return nil, nil
	}
	return page, nil
}

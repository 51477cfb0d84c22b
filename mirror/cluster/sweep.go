package cluster

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"golang.org/x/sync/errgroup"
)

// skipAfter is how many objects of an attempt that counts are listed before the rest of them are
// skipped by another listing.
const skipAfter = 1000

// deletesAtOnce is how many objects are removed at the same time.
const deletesAtOnce = 16

// mostUnremoved is how many objects that cannot be removed are enough to give up.
const mostUnremoved = 16

// sweep removes what attempts wrote that can win no more: those at segments that are sealed
// with another one. The error is the first, where some could not be removed.
func (p *Process) sweep(ctx context.Context, all *segments.Index) error {
	var first error
	for _, prefix := range []string{segments.ContentsPrefix, segments.BlobsPrefix} {
		for after, more, unremoved := "", true, int64(0); more; {
			var lost []string
			var err error
			if lost, after, more, err = p.lost(ctx, prefix, after, all); err != nil {
				return err
			}
			n, err := p.delete(ctx, lost)
			first = cmp.Or(first, err)
			if unremoved += n; unremoved >= mostUnremoved {
				return first
			}
		}
	}
	return first
}

// lost are some of those that sweep removes, and from where on to go on.
func (p *Process) lost(ctx context.Context, prefix, from string, all *segments.Index) (lost []string, after string, more bool, err error) {
	kept, run := "", 0
	err = p.store.List(ctx, prefix, from, func(i objects.Info) bool {
		after = i.Name
		seq, attempt, ok := segments.ParseAttempt(prefix, i.Name)
		if !ok {
			return true // nobody of ours wrote it
		}
		sealed := all.Sealed(seq)
		if sealed == nil || sealed.Attempt == attempt {
			begin := segments.AttemptPrefix(prefix, seq, attempt)
			if begin != kept {
				kept, run = begin, 0
			}
			if run++; run >= skipAfter {
				after = begin[:len(begin)-1] + "0" // which comes after "/"
				more = true
			}
			return !more
		}
		lost = append(lost, i.Name)
		more = len(lost) >= skipAfter
		return !more
	})
	if err != nil {
		return nil, "", false, fmt.Errorf("list %s: %w", prefix, err)
	}
	return lost, after, more, nil
}

// remove removes what an attempt wrote.
func (p *Process) remove(ctx context.Context, seq uint64, attempt string) error {
	for _, prefix := range []string{segments.ContentsPrefix, segments.BlobsPrefix} {
		begin := segments.AttemptPrefix(prefix, seq, attempt)
		for after, more := "", true; more; {
			var names []string
			more = false
			err := p.store.List(ctx, begin, after, func(i objects.Info) bool {
				names, after = append(names, i.Name), i.Name
				more = len(names) >= skipAfter
				return !more
			})
			if err != nil {
				return fmt.Errorf("list %s: %w", begin, err)
			}
			if _, err := p.delete(ctx, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// delete removes objects, and gives up after mostUnremoved that it could not remove; err is the first's.
func (p *Process) delete(ctx context.Context, names []string) (unremoved int64, err error) {
	var failed atomic.Int64
	var group errgroup.Group
	group.SetLimit(deletesAtOnce)
	for _, name := range names {
		if failed.Load() >= mostUnremoved || ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := p.store.Delete(ctx, name); err != nil {
				failed.Add(1)
				return fmt.Errorf("remove %s: %w", name, err)
			}
			return nil
		})
	}
	err = group.Wait()
	return failed.Load(), cmp.Or(err, context.Cause(ctx))
}

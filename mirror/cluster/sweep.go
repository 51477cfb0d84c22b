package cluster

import (
	"context"
	"fmt"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"golang.org/x/sync/errgroup"
)

// skipAfter is how many objects of an attempt that counts are listed before the rest of them are
// skipped by another listing.
const skipAfter = 1000

// deletesAtOnce is how many objects are removed at the same time.
const deletesAtOnce = 16

// sweep removes what attempts wrote that can win no more: those at segments that are sealed
// with another one.
func (p *Process) sweep(ctx context.Context, all *segments.Index) error {
	for _, prefix := range []string{segments.ContentsPrefix, segments.BlobsPrefix} {
		for after, more := "", true; more; {
			var err error
			if after, more, err = p.sweepFrom(ctx, prefix, after, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepFrom removes some of it, and returns from where on to go on.
func (p *Process) sweepFrom(ctx context.Context, prefix, from string, all *segments.Index) (after string, more bool, err error) {
	var lost []string
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
		return "", false, fmt.Errorf("list %s: %w", prefix, err)
	}
	return after, more, p.delete(ctx, lost)
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
			if err := p.delete(ctx, names); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Process) delete(ctx context.Context, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletesAtOnce)
	for _, name := range names {
		group.Go(func() error {
			if err := p.store.Delete(ctx, name); err != nil {
				return fmt.Errorf("remove %s: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

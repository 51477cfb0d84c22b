package mirror

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/motefs/motefs/cache"
)

const (
	// passes is how often a Run goes over the files that did not come, after it
	// has asked for all.
	passes = 4
	// beliefPass is the first pass in which a file is believed to be gone that was
	// not there in the pass before either.
	beliefPass = 2
	// passPause times Options.Backoff is the pause before the first pass; each
	// further one is passGrowth times as long, up to maxPassPause times.
	passPause, passGrowth, maxPassPause = 5, 5, 75
)

// BeforePasses has a Run call f when it has asked for all files and some did not come, so
// that it pauses from then on more than it asks. It is to be set before Run.
func (e *Engine) BeforePasses(f func()) { e.beforePasses = f }

// retryFailed goes over the files that did not come, in passes with growing
// pauses, until each is fetched, believed to be gone, or has been asked for often
// enough. It runs beside the workers, and queues what is due.
func (r *run) retryFailed(ctx context.Context) error {
	var over atomic.Bool
	if patience := r.e.opts.Outage; patience >= 0 {
		defer afterLived(patience, func() { over.Store(true) })()
	}
	warned := false
	pause := r.e.opts.Backoff * passPause
	for pass := 1; ; pass++ {
		if err := r.idle(ctx); err != nil {
			return err
		}
		mayPass, notThere := r.missing[cache.MayPass].Swap(0), r.missing[cache.NotThere].Swap(0)
		r.asksFinal = pass == 1 && r.started.Failed > 0
		if mayPass+notThere == 0 && !r.asksFinal {
			return nil
		}
		limit := r.e.opts.MaxGone.of(r.e.store.Progress().Files)
		many := notThere > limit
		switch {
		case many && over.Load() && pass > beliefPass:
			return fmt.Errorf("%w: %d files that it listed answer 404 or 410, more than %d (--max-gone); none of them is taken for gone", ErrManyGone, notThere, limit)
		case !many && (pass > passes || over.Load() && pass > beliefPass):
			return nil
		case many && !warned:
			warned = true
			r.e.opts.Log.Warn().Int64("files", notThere).Int64("limit", limit).Msg("the origin does not have these files any more; so many are not believed, and asked for again")
		}
		if pass == 1 && r.e.beforePasses != nil {
			r.e.beforePasses()
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*passGrowth, r.e.opts.Backoff*maxPassPause)
		r.believing.Store(pass >= beliefPass && !many)
		if err := r.planFailed(ctx); err != nil {
			return err
		}
	}
}

func (r *run) planFailed(ctx context.Context) error {
	for from := cache.Inode(0); ; {
		page, next, err := r.e.store.Failed(from, r.share.get())
		if err == nil && page != nil {
			err = r.enqueue(ctx, &batch{page: page})
		}
		if err != nil || page == nil {
			return r.around(err)
		}
		from = next
	}
}

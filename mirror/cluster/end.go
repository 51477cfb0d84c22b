package cluster

import (
	"context"
	"encoding/json"
	"time"

	"github.com/motefs/motefs/mirror/segments"
)

const (
	// endTimeout is how long a process that ends waits until the others know that the mirror is
	// complete, as one of them may run the bus, and then until the bus has removed what it keeps.
	endTimeout = 3 * time.Second
	// endEvery is how often it tells them meanwhile, and how often at most commits are told near the
	// end; hearEvery is how often the others are heard then.
	endEvery, hearEvery = 200 * time.Millisecond, 50 * time.Millisecond
	// goodbyeTimeout is how long it may take to tell the others that this process ends before that.
	goodbyeTimeout = time.Second
	// hurryFrom is with how few segments left, as the leader knew last, a commit is told at once.
	hurryFrom = 4 * nearEnd
)

// hasCommitted notes a commit of this process. Near the end the others are to hear of it at once.
func (p *Process) hasCommitted() {
	p.mu.Lock()
	p.mu.commits++
	p.mu.unsealed++
	p.mu.Unlock()
	token(p.news)
	if p.nearEnd() {
		token(p.hurry)
	}
}

// nearEnd reports whether few segments are left, as a leader said last.
func (p *Process) nearEnd() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	near := p.mu.leading.nearEnd()
	for i := range p.mu.others {
		near = near || p.mu.others[i].Leader.nearEnd()
	}
	return near
}

// nearEnd reports whether few segments are left, by what a leader says; nil: there is none.
func (l *Leading) nearEnd() bool { return l != nil && l.ListingComplete && l.Left() <= hurryFrom }

// token puts a token where there is none.
func token(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// leave says that the mirror is complete, and waits a moment until all others say so too. Who is not
// heard of by then finds out from the store.
func (p *Process) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.o.soon(endTimeout))
	defer cancel()
	text, err := json.Marshal(p.Report())
	for told := (time.Time{}); err == nil; {
		if time.Since(told) >= p.o.soon(endEvery) {
			told = time.Now()
			if err = p.o.Bus.Report(ctx, text); err != nil {
				break
			}
		}
		if _, err = p.hear(ctx); err != nil || p.allKnow() {
			break
		}
		err = sleep(ctx, p.o.soon(hearEvery))
	}
	if err != nil {
		p.o.Log.Debug().Err(err).Msg("it is not certain that all others know that the mirror is complete")
	}
}

// goodbye tells the others that this process takes part no more, so that its part of the limits is theirs
// at once.
func (p *Process) goodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.o.soon(goodbyeTimeout))
	defer cancel()
	if err := p.o.Bus.Report(ctx, nil); err != nil {
		p.o.Log.Debug().Err(err).Msg("the others have not heard that this process ends")
	}
}

// allKnow reports whether all others say that the mirror is complete.
func (p *Process) allKnow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.mu.others {
		if !p.mu.others[i].Complete {
			return false
		}
	}
	return true
}

// completing is a bus that keeps what a complete mirror does not need.
type completing interface {
	// Complete removes that, and keeps report for a while for those who ask about the mirror. Only
	// Close is called after it.
	Complete(ctx context.Context, report []byte) error
}

// endingBus is a bus that has heard, from whoever removed what it kept, that the mirror is complete.
type endingBus interface {
	Over() bool
	// GoOn has it go on all the same, as the object store says otherwise.
	GoOn(ctx context.Context) error
}

// busOver looks whether the mirror is complete where the bus has heard so. Who told it has seen so in
// the object store before; where that says otherwise now, it counts.
func (p *Process) busOver(ctx context.Context) (complete bool, err error) {
	bus, ok := p.o.Bus.(endingBus)
	if !ok || !bus.Over() {
		return false, nil
	}
	if complete, err = p.isComplete(ctx); complete || err != nil {
		return complete, err
	}
	if !p.contradicted { // where the bus cannot go on it stays so
		p.contradicted = true
		p.o.Log.Warn().Msg("NATS has a note that the mirror is complete, and the object store does not say so: it is gone on with")
	}
	going, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := bus.GoOn(going); err != nil && ctx.Err() == nil {
		p.o.Log.Debug().Err(err).Msg("the bus does not go on so far") // it is asked again
	}
	return false, nil
}

// tidyBus has the bus remove what it keeps. All do so as they end: one that was not heard of for a
// while may have made it again.
func (p *Process) tidyBus(ctx context.Context, all *segments.Index) {
	bus, ok := p.o.Bus.(completing)
	if !ok {
		return
	}
	r := Report{Process: p.o.Process, Complete: true, Leader: Completed(all)}
	text, err := json.Marshal(r)
	if err == nil {
		leaving, cancel := context.WithTimeout(ctx, endTimeout)
		defer cancel()
		err = bus.Complete(leaving, text)
		// The others do so within endEvery of this, and one of them may not be able to without this
		// process.
		if len(p.Others()) > 0 {
			_ = sleep(ctx, 2*p.o.soon(endEvery)) // all is done anyway
		}
	}
	if err != nil && ctx.Err() == nil {
		p.o.Log.Info().Err(err).Msg("what NATS has of this mirror, which is complete, stays there; the same command removes it")
	}
}

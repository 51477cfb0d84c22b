package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/segments"
)

// Report is what a process tells the others, and status.
type Report struct {
	Process string `json:"process"`
	// Working are the items that it is at, the one that it has been at longest first, and
	// Idle how many slots have nothing to do.
	Working []Working `json:"working,omitempty"`
	Idle    int       `json:"idle,omitempty"`
	// Files and Bytes are what it has fetched since it began.
	Files int64 `json:"files,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
	// Committed are the segments that it has committed since it began.
	Committed uint64 `json:"committed,omitempty"`
	// Throttled is how often it has slowed down because the origin says that it is asked too
	// fast. The others do so too.
	Throttled int64 `json:"throttled,omitempty"`
	// Pause is for how many seconds more it asks the origin for nothing, because that said so to it.
	// Nor do the others, from when they hear it. What it has heard from others is not in it, or nobody
	// would ever go on.
	Pause float64 `json:"pause,omitempty"`
	// Leader is what only the one that has the lease says.
	Leader *Leading `json:"leader,omitempty"`
	// Complete says that it has seen the mirror to be complete. Who hears it looks
	// for itself.
	Complete bool `json:"complete,omitempty"`
}

// Working is an item that a process is at.
type Working struct {
	Seq     uint64  `json:"seq"`
	Seconds float64 `json:"seconds"` // for so long
	// Waiting says that all of its files were asked for, and some that did not come are asked for again
	// after pauses.
	Waiting bool `json:"waiting,omitempty"`
}

// Leading is what the leader knows of all.
type Leading struct {
	Epoch uint64 `json:"epoch"`
	// Listed are the names of files so far, and ListingComplete that they are all.
	Listed          uint64 `json:"listed"`
	ListingComplete bool   `json:"listing_complete,omitempty"`
	Totals
	// Overtake are items whose workers are slow. Who has nothing to do works at one of them too.
	Overtake []uint64 `json:"overtake,omitempty"`
}

// Totals are what the sealed segments have, and what is left.
type Totals struct {
	Segments uint64 `json:"segments"` // name segments
	Sealed   uint64 `json:"sealed"`
	Files    uint64 `json:"sealed_files"` // names of the sealed ones, and so on
	Dirs     uint64 `json:"sealed_dirs"`
	Fetched  uint64 `json:"fetched"`
	Bytes    uint64 `json:"fetched_bytes"`
	Gone     uint64 `json:"gone,omitempty"`
	Failed   uint64 `json:"failed,omitempty"`
	Skipped  uint64 `json:"skipped,omitempty"`
}

// Completed is what is known of a mirror of which all is sealed.
func Completed(all *segments.Index) *Leading {
	t := totals(all, 0)
	return &Leading{Listed: t.Files, ListingComplete: true, Totals: t}
}

// Left is how many name segments have no commit that was read.
func (t *Totals) Left() uint64 { return t.Segments - min(t.Sealed, t.Segments) }

// report tells the others what this process does, and hears them, until the mirror is
// complete. Near the end it hears them more often: what is there is all that is left to wait for.
func (p *Process) report(ctx context.Context) error {
	tick := time.NewTicker(p.o.soon(reportEvery))
	defer tick.Stop()
	looked, told, patience := time.Now(), time.Time{}, time.Duration(0)
	for tell := true; ; {
		if tell {
			told = time.Now()
			if err := p.tellOthers(ctx); err != nil {
				return err
			}
		}
		complete, err := p.hear(ctx)
		if err != nil {
			return err
		}
		if over, err := p.busOver(ctx); over || err != nil {
			return cmp.Or(err, errComplete)
		}
		// The leader says so itself when it is done with all that there is to do then. One that says
		// so though it is not is believed less and less.
		wait := p.o.soon(lookEvery)
		if complete {
			wait = min(wait, patience)
		}
		if !p.leads() && time.Since(looked) >= wait {
			if done, err := p.isComplete(ctx); err != nil || done {
				return cmp.Or(err, errComplete)
			}
			looked = time.Now()
			if complete {
				patience = max(2*patience, p.o.soon(reportEvery))
			}
		}
		var hearSoon <-chan time.Time
		if p.nearEnd() {
			hearSoon = time.After(p.o.soon(hearEvery))
		}
		tell = true
		select {
		case <-tick.C:
		case <-hearSoon:
			tell = false
		case <-p.hurry:
			if err := sleep(ctx, time.Until(told.Add(p.o.soon(endEvery)))); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tellOthers reports. Where the bus is away it goes without: it may be so for good, as others are done
// and have ended it, and the store says so.
func (p *Process) tellOthers(ctx context.Context) error {
	text, err := json.Marshal(p.Report())
	if err != nil {
		return err // a bug, if ever
	}
	telling, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := p.o.Bus.Report(telling, text); err != nil && telling.Err() == nil {
		return err
	}
	return nil
}

// hear takes in what the others report, and says whether one of them knows the mirror to be complete.
func (p *Process) hear(ctx context.Context) (complete bool, err error) {
	texts, err := p.o.Bus.Reports(ctx)
	if err != nil {
		return false, err
	}
	others := make([]Report, 0, len(texts))
	slow, pause, news := false, 0.0, uint64(0)
	before := p.lastReports()
	var overtake []uint64
	for id, text := range texts {
		var r Report
		if json.Unmarshal(text, &r) != nil || id == p.o.Process {
			continue // of another version, or of nobody's; it is a hint
		}
		r.Process, r.Idle, r.Working = id, min(max(r.Idle, 0), maxSlots), r.Working[:min(len(r.Working), maxReportItems)]
		others = append(others, r)
		last, known := before[id]
		slow = slow || known && r.Throttled > last.Throttled
		if r.Pause != last.Pause { // one that is the same is an old report
			pause = max(pause, r.Pause)
		}
		if r.Committed > last.Committed {
			news += min(r.Committed-last.Committed, 1<<20)
		}
		complete = complete || r.Complete
		if r.Leader != nil {
			overtake = append(overtake, r.Leader.Overtake[:min(len(r.Leader.Overtake), maxReportItems)]...)
		}
	}
	if slow {
		p.o.Log.Debug().Msg("the origin says that another asks too fast; this process slows down too")
		p.src.Slow()
	}
	if pause > 0 {
		p.src.Pause(time.Duration(min(pause, mostPause.Seconds()) * float64(time.Second)))
	}
	p.share(1 + len(others))
	slices.SortFunc(others, func(a, b Report) int { return strings.Compare(a.Process, b.Process) })
	p.mu.Lock()
	p.mu.unsealed += news
	p.noteGoneLocked(others, time.Now())
	p.mu.others = others
	if p.mu.leading != nil {
		overtake = append(overtake, p.mu.leading.Overtake...)
	}
	p.mu.Unlock()
	if news > 0 {
		token(p.news)
	}
	p.overtake(overtake)
	return complete, nil
}

// lastReports are the last reports of the others, by their names.
func (p *Process) lastReports() map[string]Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := make(map[string]Report, len(p.mu.others))
	for i := range p.mu.others {
		last[p.mu.others[i].Process] = p.mu.others[i]
	}
	return last
}

// meet waits, where there are limits, until the others have divided them among one more, and this process
// has heard of all of them.
func (p *Process) meet(ctx context.Context) error {
	if p.alone || p.o.Engine.LimitFiles == 0 && p.o.Engine.LimitRate == 0 {
		return nil
	}
	return sleep(ctx, p.o.soon(meetTime))
}

// awayBus is a bus that knows when nobody can be heard.
type awayBus interface{ Away() bool }

// share divides the limits by how many are there. Who is cut off hears nobody, and keeps to
// its part: the others may go on.
func (p *Process) share(n int) {
	if bus, ok := p.o.Bus.(awayBus); ok && bus.Away() {
		n = max(n, p.sharing)
	}
	p.sharing = n
	p.src.Share(n)
}

// Report is what this process does now.
func (p *Process) Report() Report {
	counts := p.src.Counts()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := Report{
		Process: p.o.Process, Idle: p.mu.idle, Files: counts.Files, Bytes: counts.Bytes, Complete: p.mu.complete,
		Throttled: counts.Slowdowns, Pause: counts.LeftAlone.Seconds(), Committed: p.mu.commits,
	}
	for seq, at := range p.mu.working {
		r.Working = append(r.Working, Working{seq, time.Since(at.since).Seconds(), at.waiting})
	}
	slices.SortFunc(r.Working, func(a, b Working) int { return cmp.Compare(b.Seconds, a.Seconds) })
	r.Working = r.Working[:min(len(r.Working), maxReportItems)]
	if p.mu.leading != nil {
		l := *p.mu.leading
		l.Overtake = slices.Clone(l.Overtake)
		r.Leader = &l
	}
	return r
}

// Counts are what this process has listed and fetched since it began; those of mirror.Engine.
func (p *Process) Counts() mirror.Counts { return p.src.Counts() }

func (p *Process) leads() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.leading != nil
}

// Others are the last reports of the others, by the order of their names.
func (p *Process) Others() []Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mu.others)
}

// Condition is what this process knows of the origin, with the connections of all segments that are
// worked at.
func (p *Process) Condition() (c mirror.Condition) {
	if e, ok := p.src.(*engine); ok {
		c = e.Condition()
		c.Connections *= p.o.Slots
	}
	return c
}

// Refreshed is what a refresh has found: a mirror in segments has none.
func (*Process) Refreshed() cache.Refreshed { return cache.Refreshed{} }

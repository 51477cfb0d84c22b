package mirror

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// pace says how fast a mirror may go: as fast as Options.LimitFiles and LimitRate
// allow, and no faster than an origin likes that answers 429 or 503. Such answers
// slow the whole mirror, not one file: the rate is halved, and from then
// on grows by a fixed amount each second until it is well above where it was
// (additive increase, multiplicative decrease; RFC 5681 has the argument). A few among
// many answers are no complaint about the rate, but a service that has hiccups; a
// mirror that was halved for each of them would stand still. While
// nothing limits a mirror, pace costs it one atomic load for each batch.
type pace struct {
	files, bytes *rate.Limiter // nil: no limit
	guards       func() int64  // nil: there are none; see Guarder
	guarded      atomic.Int64  // of them those that files has counted
	lengths      lengths       // where bytes are limited

	slowed   atomic.Bool // mu holds something to look at
	answered atomic.Int64
	waited   stopwatch // because of complaints
	mu       struct {
		sync.Mutex
		until     time.Time // nothing is asked for before
		asked     time.Time // the part of it that the origin has said here
		limiter   *rate.Limiter
		cutAt     time.Time
		cutTo     float64 // files a second, at cutAt
		grow      float64 // files a second, each second
		release   float64 // the rate at which the limit is lifted
		sampled   time.Time
		sampleAt  int64 // answered, at sampled
		slowdowns int64
		// complaints are those since begun, at which answered was begunAt.
		complaints int64
		begun      time.Time
		begunAt    int64
	}
}

const (
	// cutEvery is how often the rate is halved at most: the answers to what was
	// under way when it was halved say nothing about the new rate.
	cutEvery = time.Second
	// leastRetryAfter is the shortest that an origin can ask for; what is shorter is a client's
	// guess, of an origin that says no time.
	leastRetryAfter = time.Second
	// tolerated is among how many answers one complaint is none, and manyComplaints how
	// many are enough to tell; fewer are judged after cutEvery.
	tolerated, manyComplaints = 50, 16
	// growSteps is how many seconds it takes to grow back to the rate at which
	// the origin complained.
	growSteps = 20
	// heardLate is how long after a slowing down another's may be heard of that was for the same
	// answers.
	heardLate = 3 * time.Second
	// slowest is the rate below which no complaint brings the mirror, in files a
	// second; Retry-After may stop it altogether.
	slowest = 50
	// pieces is into how many pieces a second a limited rate is cut.
	pieces = 10
)

func newPace(limitFiles, limitRate int64) *pace {
	p := &pace{}
	if limitFiles > 0 {
		p.files = rate.NewLimiter(rate.Limit(limitFiles), burst(float64(limitFiles)))
	}
	if limitRate > 0 {
		p.bytes = rate.NewLimiter(rate.Limit(limitRate), max(1, int(limitRate/pieces)))
	}
	p.mu.sampled = time.Now()
	p.lengths.mean.Store(unknownLength)
	return p
}

// Share divides Options.LimitFiles and LimitRate among n engines that share them; it is for each
// of them to be told. The least that is left of a limit is 1 a second.
func (e *Engine) Share(n int) {
	e.pace.share(e.opts.LimitFiles, e.opts.LimitRate, int64(max(n, 1)))
}

func (p *pace) share(limitFiles, limitRate, n int64) {
	if p.files != nil {
		files := max(limitFiles/n, 1)
		p.files.SetLimit(rate.Limit(files))
		p.files.SetBurst(burst(float64(files)))
	}
	if p.bytes != nil {
		bytes := max(limitRate/n, 1)
		p.bytes.SetLimit(rate.Limit(bytes))
		p.bytes.SetBurst(max(1, int(bytes/pieces)))
	}
}

// Slow slows the engine down because another has slowed down who mirrors the same origin; see
// Counts.Slowdowns.
func (e *Engine) Slow() { e.pace.slow() }

// Pause has the engine ask the origin for nothing, for so long from now on and at most Options.Outage,
// because the origin wants to be left alone by another who mirrors it; see Counts.LeftAlone. Readers
// are not kept waiting.
func (e *Engine) Pause(d time.Duration) {
	if e.opts.Outage >= 0 {
		d = min(d, e.opts.Outage)
	}
	e.pace.pause(d)
}

// burst is how many files are asked for at once at a limited rate.
func burst(filesPerSecond float64) int { return max(1, int(filesPerSecond/pieces)) }

// take waits until something may be asked for and returns how much, at most want.
func (p *pace) take(ctx context.Context, want int) (int, error) {
	if p.slowed.Load() {
		var err error
		if want, err = p.takeSlowed(ctx, want); err != nil {
			return 0, err
		}
	}
	if p.files == nil {
		return want, nil
	}
	if p.guards != nil {
		all := p.guards()
		if err := waitAll(ctx, p.files, max(all-p.guarded.Swap(all), 0)); err != nil {
			return 0, err
		}
	}
	want = min(want, p.files.Burst())
	return want, waitN(ctx, p.files, want)
}

func (p *pace) takeSlowed(ctx context.Context, want int) (int, error) {
	defer p.waited.start()()
	for {
		limiter, pause := p.current(time.Now())
		if pause > 0 {
			if err := sleep(ctx, pause); err != nil {
				return 0, err
			}
			continue
		}
		if limiter == nil {
			return want, nil
		}
		want = min(want, limiter.Burst())
		return want, waitN(ctx, limiter, want)
	}
}

// current returns the limit that the origin's complaints leave now, or how long
// nothing may be asked for.
func (p *pace) current(now time.Time) (*rate.Limiter, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pause := p.mu.until.Sub(now); pause > 0 {
		return nil, pause
	}
	grown := p.mu.cutTo + p.mu.grow*now.Sub(p.mu.cutAt).Seconds()
	if grown >= p.mu.release {
		p.mu.limiter = nil
		p.slowed.Store(false)
		return nil, 0
	}
	p.mu.limiter.SetLimitAt(now, rate.Limit(grown))
	p.mu.limiter.SetBurstAt(now, burst(grown))
	return p.mu.limiter, 0
}

// throttled takes note of a 429 or 503 that asked for a time, of which after is waited.
func (p *pace) throttled(asked, after time.Duration) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	recent := p.mu.limiter != nil && now.Sub(p.mu.cutAt) < cutEvery+after
	if asked < leastRetryAfter && (recent || !p.tooFastLocked(now)) {
		return
	}
	p.mu.asked = later(p.mu.asked, now.Add(after))
	p.mu.until = later(p.mu.until, p.mu.asked)
	if recent {
		return
	}
	p.mu.slowdowns++
	p.cutLocked(now, after)
}

// slow halves the rate as another did, to whom the origin complained.
func (p *pace) slow() {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.limiter == nil || now.Sub(p.mu.cutAt) >= heardLate {
		p.cutLocked(now, 0)
	}
}

// pause has nothing be asked for, for so long from now on.
func (p *pace) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.until = later(p.mu.until, time.Now().Add(d))
	p.slowed.Store(true)
}

// rest waits until something may be asked for, however much.
func (p *pace) rest(ctx context.Context) error {
	for {
		until, _ := p.state(time.Now())
		if until.IsZero() {
			return nil
		}
		if err := sleep(ctx, time.Until(until)); err != nil {
			return err
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// leftAlone is Counts.LeftAlone.
func (p *pace) leftAlone(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.mu.asked.Sub(now), 0)
}

// slowdowns is Counts.Slowdowns.
func (p *pace) slowdowns() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.slowdowns
}

// cutLocked halves the rate, from after now on.
func (p *pace) cutLocked(now time.Time, after time.Duration) {
	was := p.rateLocked(now)
	p.mu.cutAt, p.mu.cutTo = now.Add(after), max(was/2, slowest)
	p.mu.grow, p.mu.release = max(was/2/growSteps, slowest/growSteps), max(2*was, 2*slowest)
	p.mu.limiter = rate.NewLimiter(rate.Limit(p.mu.cutTo), burst(p.mu.cutTo))
	p.slowed.Store(true)
}

// tooFastLocked counts a complaint, and reports whether there are so many among the answers
// of late that they are about the rate.
func (p *pace) tooFastLocked(now time.Time) bool {
	answered := p.answered.Load()
	if p.mu.complaints == 0 || now.Sub(p.mu.begun) > 2*cutEvery {
		p.mu.complaints, p.mu.begun, p.mu.begunAt = 0, now, answered
	}
	p.mu.complaints++
	if p.mu.complaints < manyComplaints && now.Sub(p.mu.begun) < cutEvery {
		return false
	}
	many := p.mu.complaints > 1+(answered-p.mu.begunAt)/tolerated
	p.mu.complaints = 0
	return many
}

// rateLocked is the rate of answers since the last time it was asked for, in
// files a second; at least 1.
func (p *pace) rateLocked(now time.Time) float64 {
	n, t := p.answered.Load(), now.Sub(p.mu.sampled).Seconds()
	was := float64(n-p.mu.sampleAt) / max(t, 0.001)
	p.mu.sampled, p.mu.sampleAt = now, n
	return max(was, 1)
}

// waitAll waits for n, however many.
func waitAll(ctx context.Context, limiter *rate.Limiter, n int64) error {
	for n > 0 {
		piece := min(n, int64(limiter.Burst()))
		if err := waitN(ctx, limiter, int(piece)); err != nil {
			return err
		}
		n -= piece
	}
	return nil
}

// waitN is the limiter's WaitN with ctx's own error, and without an error for a
// deadline that is not over yet.
func waitN(ctx context.Context, limiter *rate.Limiter, n int) error {
	r := limiter.ReserveN(time.Now(), n)
	if !r.OK() { // the burst shrank in between
		return sleep(ctx, time.Second/pieces)
	}
	if d := r.Delay(); d > 0 {
		return sleep(ctx, d)
	}
	return nil
}

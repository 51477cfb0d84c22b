package origin

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// probeFrom is the number of names from which on a call of Fetch is worth
	// a probe. Shorter ones go one at a time until another call has made it.
	probeFrom = 64
	// maxProbeCuts is the number of probes that the origin may leave without
	// all their answers. One may be the accident of a restart.
	maxProbeCuts = 2
	// maxProbeBusy is the number of probes to which the origin may answer that
	// it is busy, or the like.
	maxProbeBusy = 8
	// maxShort is the number of pipelined rounds in a row that may end after
	// one answer.
	maxShort = 4
	// maxDesyncs is the number of rounds that may fall out of step.
	maxDesyncs = 4
	// maxStalls is the number of times in a row that answers may not come.
	maxStalls = 16
)

// pipelining is what the client knows of how its origin takes requests that
// are written ahead, see Options.Pipeline.
type pipelining struct {
	auto  bool
	most  atomic.Int64 // that may be written ahead; 0: not known yet
	short atomic.Int64 // rounds in a row that ended after one answer

	// probing is held by the call that probes. It is only ever tried: the
	// other calls go one at a time meanwhile.
	probing sync.Mutex
	cuts    int // probes without all their answers; guarded by probing
	busy    int // probes answered by a status that may pass; guarded by probing

	// See desynced: rounds that fell out of step, those in a row that did so by
	// stalling, and when the last of these was, in nanoseconds since 1970.
	desyncs, stalls, stalled atomic.Int64

	off func(reason string)
}

// init takes the option; slow is whether to pipeline only where it is asked for.
func (p *pipelining) init(o *Options, slow bool) {
	p.off = o.OnPipelineOff
	switch {
	case o.Pipeline > 0:
		p.most.Store(int64(o.Pipeline))
	case slow:
		p.most.Store(1)
	default:
		p.auto = true
	}
}

// depth is how many requests may be on their way at once.
func (p *pipelining) depth() int { return int(max(1, p.most.Load())) }

func (p *pipelining) unknown() bool { return p.most.Load() == 0 }

func (p *pipelining) turnOn() { p.most.Store(math.MaxInt32) }

// turnOff ends pipelining for the client's life.
func (p *pipelining) turnOff(format string, args ...any) {
	if p.most.Swap(1) != 1 && p.off != nil {
		p.off(fmt.Sprintf(format, args...))
	}
}

// ended notes the end of a round of that many requests. A round that gives one
// answer and no more says that the rest was thrown away, or is held back.
func (p *pipelining) ended(requests, answers int) {
	if !p.auto || requests < 2 {
		return
	}
	switch answers {
	case 0: // a connection that was cut says nothing
	case 1:
		if p.short.Add(1) == maxShort {
			p.turnOff("%d times in a row the origin answered only the first of several requests", maxShort)
		}
	default:
		if p.short.Load() != 0 { // a cache line that everyone reads
			p.short.Store(0)
		}
	}
}

// desynced notes a round that fell out of step. An answer that is missing may
// just be late, or this machine asleep, so those turn pipelining off only where
// there are maxStalls of them without a round that went well in between, and
// those of connections that stalled together count as one.
func (p *pipelining) desynced(err *desyncError, stall time.Duration) {
	if !errors.Is(err.cause, os.ErrDeadlineExceeded) {
		if p.desyncs.Add(1) == maxDesyncs {
			p.turnOff("%v", err)
		}
		return
	}
	now, last := time.Now().UnixNano(), p.stalled.Load()
	if time.Duration(now-last) >= stall && p.stalled.CompareAndSwap(last, now) && p.stalls.Add(1) >= maxStalls {
		p.turnOff("%d times in a row an answer did not come, the last time: %v", maxStalls, err)
	}
}

// went notes a round of which all answers came.
func (p *pipelining) went() {
	if p.stalls.Load() != 0 { // a cache line that everyone reads
		p.stalls.Store(0)
	}
}

package origin

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
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
	// maxDesyncs is the number of rounds that may fall out of step, and
	// maxStalls of those that may do so in that an answer does not come.
	maxDesyncs = 4
	maxStalls  = 4 * maxDesyncs
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

	desyncs atomic.Int64 // rounds that fell out of step, see desynced

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
// just be late, so it takes more of those to turn pipelining off.
func (p *pipelining) desynced(err *desyncError) {
	weight := int64(maxStalls / maxDesyncs)
	if errors.Is(err.cause, os.ErrDeadlineExceeded) {
		weight = 1
	}
	if p.desyncs.Add(weight) >= maxStalls {
		p.turnOff("%v", err)
	}
}

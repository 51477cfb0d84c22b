package wire

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// probeFrom is the number of requests from which on a call of Get is worth
	// a probe, and so is one request, that of a reader. Others go one at a time until
	// a call has made it.
	probeFrom = 64
	// maxProbeCuts is the number of probes that the server may leave without
	// all their responses. One may be the accident of a restart.
	maxProbeCuts = 2
	// maxProbeBusy is the number of probes to which the server may answer that
	// it is busy, or the like.
	maxProbeBusy = 8
	// maxShort is the number of pipelined rounds in a row that may end after
	// one response.
	maxShort = 4
	// maxDesyncs is the number of rounds that may fall out of step.
	maxDesyncs = 4
	// maxStalls is the number of times in a row that responses may not come.
	maxStalls = 16
)

// pipelining is what the client knows of how its server takes requests that
// are written ahead, see Options.Pipeline.
type pipelining struct {
	auto  bool
	most  atomic.Int64 // that may be written ahead; 0: not known yet
	short atomic.Int64 // rounds in a row that ended after one response

	// probing is held by the call that probes. It is only ever tried: the
	// other calls go one at a time meanwhile.
	probing sync.Mutex
	cuts    int // probes without all their responses; guarded by probing
	busy    int // probes answered by a status that may pass; guarded by probing

	// desyncs are the rounds that fell out of step, stalls those in a row that
	// stalled, and lastStall is when the last of these was, in nanoseconds since
	// 1970.
	desyncs, stalls, lastStall atomic.Int64

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

// Pipelines reports whether the server is known to take requests that are written ahead,
// or is said to.
func (c *Client) Pipelines() bool { return c.pipelining.depth() > 1 }

func (p *pipelining) unknown() bool { return p.most.Load() == 0 }

func (p *pipelining) turnOn() { p.most.Store(math.MaxInt32) }

// turnOff ends pipelining for the client's life.
func (p *pipelining) turnOff(format string, args ...any) {
	if p.most.Swap(1) != 1 && p.off != nil {
		p.off(fmt.Sprintf(format, args...))
	}
}

// ended notes the end of a round of that many requests. A round that gives one
// response and no more says that the rest was thrown away, or is held back.
func (p *pipelining) ended(requests, responses int) {
	if !p.auto || requests < 2 {
		return
	}
	switch responses {
	case 0: // a connection that was cut says nothing
	case 1:
		if p.short.Add(1) == maxShort {
			p.turnOff("%d times in a row the server answered only the first of several requests", maxShort)
		}
	default:
		if p.short.Load() != 0 { // a cache line that everyone reads
			p.short.Store(0)
		}
	}
}

// desynced notes a round that fell out of step.
func (p *pipelining) desynced(err error) {
	if p.desyncs.Add(1) == maxDesyncs {
		p.turnOff("%v", err)
	}
}

// stalled notes a round in which a response did not come for so long. It may
// just be late, or this machine asleep, so that turns pipelining off only where
// there are maxStalls of them without a round that went well in between, and
// those of connections that stalled together count as one.
func (p *pipelining) stalled(err error, stall time.Duration) {
	now, last := time.Now().UnixNano(), p.lastStall.Load()
	if time.Duration(now-last) >= stall && p.lastStall.CompareAndSwap(last, now) && p.stalls.Add(1) >= maxStalls {
		p.turnOff("%d times in a row a response did not come, the last time: %v", maxStalls, err)
	}
}

// went notes a round that was proven.
func (p *pipelining) went() {
	if p.stalls.Load() != 0 { // a cache line that everyone reads
		p.stalls.Store(0)
	}
}

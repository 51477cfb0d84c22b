package origin

import (
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/motefs/motefs/mirror"
)

// ProbeGets is the number of gets that a client makes beyond those that it was
// asked for: once in its life, where Options.Pipeline is 0 and the origin
// answers well.
const ProbeGets = 16

// sample is a file that was got by itself.
type sample struct {
	name string
	size int
	sum  uint64
	took time.Duration
}

var sampleSeed = maphash.MakeSeed()

// probeOrder says in its lowest ProbeGets bits which of the pair is asked for
// when. It is a de Bruijn sequence, in which every run of four stands once: it
// is not itself backwards, nor rotated, nor with its neighbours swapped.
const probeOrder = 0b0001_1110_1011_0010

// probe is a call's part in finding out whether the origin answers a pipeline
// rightly. The names are asked for one at a time, and delivered as ever, until
// two of them had different contents. Those two are then asked for again,
// ProbeGets times in all and all at once, and what comes is compared. Answers
// that are missing, doubled, mixed or out of their turn show, see probeOrder; a
// server that shuffles them at random passes once in 12,870 times.
//
// What is compared is the content, so files that never differ prove nothing,
// and the calls then go on one at a time.
type probe struct {
	want bool // this call takes samples
	n    int
	pair [2]sample
}

// take notes a file that was just answered, and whether it completes the pair.
func (p *probe) take(name string, content []byte, took time.Duration) {
	s := sample{name, len(content), maphash.Bytes(sampleSeed, content), took}
	if p.n == 0 || s.size != p.pair[0].size || s.sum != p.pair[0].sum {
		p.pair[p.n] = s
		p.n++
	}
}

// sampling reports whether the files of this call are to be noted.
func (p *probe) sampling() bool { return p.want && p.n < len(p.pair) }

// prove makes the probe on a connection on which nothing is owed, if it is this
// call's to make. It returns whether the connection may be used further.
func (f *fetch) prove(cn *conn) bool {
	pl := &f.c.pipelining
	if !f.probe.want || f.probe.n < len(f.probe.pair) || !pl.unknown() || !pl.probing.TryLock() {
		return true
	}
	reason, alive := "", false
	func() {
		defer pl.probing.Unlock()
		if pl.unknown() {
			reason, alive = f.rehearse(cn)
		}
	}()
	if reason != "" {
		pl.turnOff("%s", reason)
	}
	return alive
}

// rehearse asks for the pair in a pipeline. It turns pipelining on where the
// answers are right, and returns a reason where they are so wrong that it has
// to be off. In between, which is an answer that may pass or the end of the
// call, nothing is decided.
func (f *fetch) rehearse(cn *conn) (reason string, alive bool) {
	pl, wrong, busy := &f.c.pipelining, 0, false
	r := fetch{call: f.call, names: make([]string, ProbeGets)}
	for i := range r.names {
		r.names[i] = f.probe.pair[turn(i)].name
	}
	r.deliver = func(i int, obj *mirror.Object, err error) {
		s := &f.probe.pair[turn(i)]
		status, ok := errors.AsType[*mirror.StatusError](err)
		switch {
		case ok && status.Temporary():
			busy = true
		case err != nil || obj.Stream != nil || len(obj.Body) != s.size || maphash.Bytes(sampleSeed, obj.Body) != s.sum:
			if wrong == 0 {
				wrong = i + 1
			}
		}
	}
	// An origin that takes its time may take it for each of them.
	limit := f.c.o.timing.probe + ProbeGets*max(f.probe.pair[0].took, f.probe.pair[1].took)
	late := time.AfterFunc(limit, cn.kill)
	err := r.round(cn, len(r.names))
	inTime := late.Stop()
	if len(r.moved) > 0 && wrong == 0 {
		wrong = r.moved[0].i + 1
	}
	switch {
	case f.err() != nil:
		return "", false
	case wrong > 0:
		return fmt.Sprintf("probe: of %d pipelined gets, the answer to number %d was not the file's", ProbeGets, wrong), false
	case busy:
		f.probe.want = false // the next call's turn
		if pl.busy++; pl.busy == maxProbeBusy {
			return fmt.Sprintf("probe: to %d pipelined gets the origin always answers that it is busy", ProbeGets), false
		}
		return "", err == nil
	case r.next == len(r.names) && !errors.Is(err, mirror.ErrDesync):
		pl.turnOn()
		return "", err == nil && inTime
	}
	if pl.cuts++; pl.cuts < maxProbeCuts {
		return "", false
	}
	if !inTime {
		return fmt.Sprintf("probe: of %d pipelined gets %d were answered within %v", ProbeGets, r.next, limit), false
	}
	return fmt.Sprintf("probe: of %d pipelined gets %d were answered: %v", ProbeGets, r.next, err), false
}

// turn says which of the pair is asked for as number i.
func turn(i int) int { return probeOrder >> i & 1 }

package wire

import (
	"errors"
	"fmt"
	"time"

	"github.com/motefs/motefs/mirror"
)

// ProbeGets is the number of gets by which a client finds out whether its server
// can pipeline: once in its life, where Options.Pipeline is 0.
const ProbeGets = 16

// probeOrder says in its lowest ProbeGets bits which of the guards is asked for
// when. It is a de Bruijn sequence, in which every run of four stands once: it
// is not itself backwards, nor rotated, nor with its neighbours swapped.
const probeOrder = 0b0001_1110_1011_0010

// rehearse makes the probe, if it is this call's to make, on a connection on
// which nothing is owed: a round of guards alone, all of them written at once.
// Responses that are missing, doubled, mixed or out of their turn show, see
// probeOrder; a server that shuffles them at random passes once in 12,870 times.
// The error is errEnd where the connection cannot be used further.
func (g *get) rehearse(cn *conn, enough bool) error {
	pl := &g.c.pipelining
	if !g.probe || g.lone(enough) || !pl.unknown() || !pl.probing.TryLock() {
		return nil
	}
	defer pl.probing.Unlock()
	if !pl.unknown() {
		return nil
	}
	guards, ok := cn.word()
	if !ok {
		return errEnd
	}
	// A server that takes its time may take it for each of them.
	limit := g.c.o.Timeouts.Probe + ProbeGets*max(guards[0].took, guards[1].took)
	late := time.AfterFunc(limit, cn.kill)
	r := round{get: g, cn: cn, guards: guards, order: probeOrder, depth: ProbeGets, word: ProbeGets}
	before := cn.total
	err := r.run()
	inTime := late.Stop()
	if err == nil || errors.Is(err, errEnd) {
		pl.turnOn()
		if !inTime {
			err = errEnd
		}
		return err
	}
	if g.err() != nil || errors.Is(err, errDesync) && !g.asEver(guards) {
		return errEnd
	}
	if reason := g.verdict(err, inTime, cn.total-before, limit); reason != "" {
		pl.turnOff("probe: %s", reason)
	}
	return errEnd
}

// verdict is why a probe that went wrong turns pipelining off, empty where it
// decides nothing.
func (g *get) verdict(err error, inTime bool, came int64, limit time.Duration) string {
	pl := &g.c.pipelining
	switch {
	case errors.Is(err, errDesync) || inTime && errors.Is(err, mirror.ErrFraming):
		return fmt.Sprintf("of %d pipelined gets, number %d was not answered with its file: %v", ProbeGets, came, err)
	case errors.Is(err, errBusy):
		g.probe = false // the next call's turn
		if pl.busy++; pl.busy == maxProbeBusy {
			return fmt.Sprintf("to %d pipelined gets the server always answers that it is busy", ProbeGets)
		}
		return ""
	}
	if pl.cuts++; pl.cuts < maxProbeCuts {
		return ""
	}
	if !inTime {
		return fmt.Sprintf("of %d pipelined gets %d were answered within %v", ProbeGets, came, limit)
	}
	return fmt.Sprintf("of %d pipelined gets %d were answered: %v", ProbeGets, came, err)
}

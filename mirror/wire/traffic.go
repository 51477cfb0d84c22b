package wire

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/histogram"
)

// Op is what a request is for.
type Op uint8

// A page of a listing, a file or a part of one, and a guard.
const (
	List Op = iota
	Get
	Guard
	ops
)

var opNames = [ops]string{List: "list", Get: "get", Guard: "guard"}

func (o Op) String() string { return opNames[o] }

// code is a class of statuses.
type code uint8

const (
	code2xx code = iota
	code3xx
	code404
	code410
	code429
	code4xx // any other
	code5xx
	codeError // no status, or one of no class
	codes
)

var codeNames = [codes]string{"2xx", "3xx", "404", "410", "429", "4xx", "5xx", "error"}

func codeOf(status int) code {
	switch status {
	case 200: // nearly all
		return code2xx
	case 404:
		return code404
	case 410:
		return code410
	case 429:
		return code429
	}
	switch status / 100 {
	case 2:
		return code2xx
	case 3:
		return code3xx
	case 4:
		return code4xx
	case 5:
		return code5xx
	}
	return codeError
}

// again is why requests were written for another time.
type again uint8

const (
	againConnection again = iota // the connection ended before their responses
	againUnproven                // it could not be told whose the responses were
	againTooLong                 // the responses were too long to wait for their proof together
	againBusy                    // the server was too busy for the guards
	againReasons
)

var againNames = [againReasons]string{"connection", "unproven", "too_long", "unavailable"}

func againOf(err error) again {
	switch {
	case errors.Is(err, errDesync):
		return againUnproven
	case errors.Is(err, errAlone), errors.Is(err, errFull):
		return againTooLong
	case errors.Is(err, errBusy):
		return againBusy
	}
	return againConnection
}

// Traffic counts the requests of clients, which may share one. Its zero value is ready;
// its methods may be called from any goroutine. It is counted into once for each round,
// and not for each request.
type Traffic struct {
	requests [ops][codes]atomic.Int64
	again    [againReasons]atomic.Int64
	took     [Guard]histogram.Histogram // lists and gets
}

// EachRequests hands out how many requests there were for each op, by how they were
// answered: "2xx", "3xx", "404", "410", "429", "4xx" and "5xx" (any other such), or
// "error", where a connection could not be had, or ended before the response was whole
// (of op List and of a part of a file, before its head was). Of requests on their way on a
// connection that ends, one is counted, and the others when they are written again.
func (t *Traffic) EachRequests(each func(op, code string, n int64)) {
	for o := range ops {
		for c := range codes {
			each(opNames[o], codeNames[c], t.requests[o][c].Load())
		}
	}
}

// EachAgain hands out how many requests of Get had to be written for another time, and
// why.
func (t *Traffic) EachAgain(each func(reason string, n int64)) {
	for a := range againReasons {
		each(againNames[a], t.again[a].Load())
	}
}

// Took is how long requests took, from when they were written until their response was
// read: all of op List, and of op Get the first of each round, as those behind it wait
// for those before them.
func (t *Traffic) Took(op Op) histogram.Snapshot { return t.took[op].Snapshot() }

// lost counts a request that had no answer.
func (t *Traffic) lost(op Op) { t.requests[op][codeError].Add(1) }

// report counts the responses that came on a connection since the last report.
func (cn *conn) report(op Op) {
	t := cn.call.c.o.Traffic
	for c, n := range cn.came {
		if n > 0 {
			t.requests[op][c].Add(int64(n))
		}
	}
	cn.came = [codes]int32{}
}

// timed notes how long a request took that was written at start.
func (t *Traffic) timed(op Op, start time.Time) { t.took[op].Observe(time.Since(start)) }

// noteEnd counts what the end of a connection of Get means: unless it is this side's
// own doing, a request has no answer.
func (g *get) noteEnd(end error) {
	for _, own := range []error{errDesync, errBusy, errAlone, errFull} {
		if errors.Is(end, own) {
			return
		}
	}
	g.c.o.Traffic.lost(Get)
}

// noteAgain counts the requests that were asked for on a connection and are to be asked
// for again, but for those that were charged with its end.
func (g *get) noteAgain(end error, charged int) {
	if e, ok := errors.AsType[*brokenRound](end); ok {
		g.c.o.Traffic.again[againOf(e.why)].Add(int64(max(0, e.owed-charged)))
	}
}

package objectstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
)

// Op is an operation of a store.
type Op string

// The operations.
const (
	OpPut    Op = "put"
	OpCreate Op = "create"
	OpGet    Op = "get"
	OpList   Op = "list"
	OpDelete Op = "delete"
)

// Fault is what becomes of one operation.
type Fault int

// The faults. Refused, Throttled and Away do nothing; Lost does what was asked for, and
// says that it did not; Hung answers once its context ends.
const (
	Fine      Fault = iota
	Refused         // 500
	Throttled       // 503, with a Retry-After
	Away            // no answer
	Lost            // done, and no answer
	Hung            // no answer and no end
	Forbidden       // 403, which does not pass
)

// Faults says how often something goes wrong, each from 0 (never) to 1 (always).
type Faults struct {
	Refused, Throttled, Away, Lost float64
	// Cut has a reader, or a listing, break off anywhere.
	Cut float64
	// Slow has an operation take a time of up to Delay before it begins.
	Slow  float64
	Delay time.Duration
	// Blind has a Create not see that there is an object: two win.
	Blind float64
}

// Some is a little of everything that an honest store may do.
var Some = Faults{Refused: 0.05, Throttled: 0.02, Away: 0.05, Lost: 0.1, Cut: 0.1, Slow: 0.1, Delay: time.Second}

// Options say what is wrong with a store.
type Options struct {
	Faults
	// Seed decides which operation has which fault. A test prints it.
	Seed uint64
	// Hook, where it is not nil, is called as an operation begins, for the prefix where it
	// is a list, and may say what becomes of it. Fine leaves it to Faults.
	Hook func(op Op, name string) Fault
	// Now is the store's clock. Default: time.Now.
	Now func() time.Time
	// NoCondition has Create do as Put does, as servers do that ignore If-None-Match.
	NoCondition bool
}

// trouble is what goes wrong with one operation.
type trouble struct {
	fault      Fault
	slow       time.Duration
	cut, blind bool
	where      float64 // it is cut, from 0 to 1
	pause      time.Duration
}

type dice struct{ *rand.Rand }

func newDice(seed uint64) *dice { return &dice{rand.New(rand.NewPCG(seed, 0))} }

// roll draws what becomes of an operation. It draws the same number of times each time.
func (d *dice) roll(f *Faults) (t trouble) {
	for _, kind := range []struct {
		often float64
		fault Fault
	}{{f.Refused, Refused}, {f.Throttled, Throttled}, {f.Away, Away}, {f.Lost, Lost}} {
		if d.Float64() < kind.often {
			t.fault = kind.fault
		}
	}
	t.cut, t.blind = d.Float64() < f.Cut, d.Float64() < f.Blind
	t.where, t.pause = d.Float64(), time.Duration(d.Float64()*float64(time.Second))
	slow := d.Float64() < f.Slow
	if delay := time.Duration(d.Float64() * float64(f.Delay)); slow {
		t.slow = delay
	}
	return t
}

// before is the error of an operation that does nothing.
func (t *trouble) before(ctx context.Context, op Op, name string) error {
	var why error
	switch t.fault {
	case Refused:
		why = &mirror.StatusError{Code: http.StatusInternalServerError}
	case Throttled:
		why = &mirror.StatusError{Code: http.StatusServiceUnavailable, RetryAfter: t.pause}
	case Forbidden:
		why = &mirror.StatusError{Code: http.StatusForbidden}
	case Away:
		why = objects.ErrAway
	case Hung:
		<-ctx.Done()
		return context.Cause(ctx)
	default:
		return nil
	}
	return fmt.Errorf("%s %q: %w, said the test", op, name, why)
}

// lost is the error of an operation that was done.
func (*trouble) lost(op Op, name string) error {
	return fmt.Errorf("%s %q: %w: its answer was lost by the test", op, name, objects.ErrAway)
}

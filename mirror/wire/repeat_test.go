package wire

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// repeats are what a far side may say again of the responses that it gave on a
// connection, when it is asked for the next round; it says one thing for each
// request. said is what it said so far, and target what it is asked for.
var repeats = map[string]func(r *rand.Rand, said []string, length int) (again []string){
	"the last round":      func(_ *rand.Rand, said []string, length int) []string { return last(said, length) },
	"the last two rounds": func(_ *rand.Rand, said []string, length int) []string { return last(said, 2*length) },
	"all rounds":          func(_ *rand.Rand, said []string, _ int) []string { return said },
	"the first round": func(_ *rand.Rand, said []string, length int) []string {
		return said[len(said)%length:][:min(length, len(said)-len(said)%length)]
	},
	"the last, backwards":  func(_ *rand.Rand, said []string, length int) []string { return backwards(last(said, length)) },
	"all rounds backwards": func(_ *rand.Rand, said []string, _ int) []string { return backwards(said) },
	"all in any order": func(r *rand.Rand, said []string, _ int) []string {
		r.Shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
		return said
	},
}

func last(said []string, n int) []string { return said[max(0, len(said)-n):] }

func backwards(said []string) []string { slices.Reverse(said); return said }

// repeater is an origin that says again what it said on a connection once a round
// is asked for that comes after repeat was set. No time decides anything: each
// request is answered with what has waited for longest.
type repeater struct {
	repeat atomic.Pointer[func(said []string) (again []string)]
	times  atomic.Int32 // it did so
}

func (p *repeater) serve(c *wiretest.Conn) {
	var said, due []string
	for target, ok := c.Next(); ok; target, ok = c.Next() {
		if f := p.repeat.Load(); f != nil && len(said) > 0 && p.repeat.CompareAndSwap(f, nil) {
			due = (*f)(slices.Clone(said))
			p.times.Add(1)
		}
		due, said = append(due, target), append(said, target)
		c.File(due[0])
		due = due[1:]
	}
}

// TestRoundsAgain has the responses of whole rounds come once more before those of
// the next round, which is as long as they were. No body stands under a wrong name.
func TestRoundsAgain(t *testing.T) {
	for what, again := range repeats {
		for _, n := range []int{1, 3, fewRequests} {
			for name, pipeline := range map[string]int{"on": 1 << 20, "window": 8, "off": 1, "auto": 0} {
				t.Run(fmt.Sprintf("%s/%d/%s", what, n, name), func(t *testing.T) {
					t.Parallel()
					seed := rand.Uint64()
					t.Logf("seed %d", seed)
					r := rand.New(rand.NewPCG(seed, 0))
					for _, rounds := range []int{1, 2, 10} {
						p := &repeater{}
						s := wiretest.Serve(t, p.serve)
						c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
						teach(t, c)
						if pipeline == 0 {
							fetchAll(t, c, numbered(probeFrom)...) // the probe
						}
						all := names(n, 2*rounds+20)
						f := func(said []string) []string { return again(r, said, n+guardWord(n)) }
						for k := range all {
							if k == rounds || k == 2*rounds+5 {
								p.repeat.Store(&f)
							}
							checkAllCome(t, c, all[k], false, "")
						}
						if p.times.Load() == 0 && (n > 1 || pipeline > 1) { // else each file has its own connection
							t.Error("it said nothing again")
						}
					}
				})
			}
		}
	}
}

// names returns rounds of n names each, all of them different.
func names(n, rounds int) (all [][]string) {
	for k := range rounds {
		all = append(all, numbered((k + 1) * n)[k*n:])
	}
	return all
}

// TestGuessedGuards has a far side that answers a round with what it said before on
// the connection, in whatever order suits it: where one of those is right for a
// guard, with that.
func TestGuessedGuards(t *testing.T) {
	for _, n := range []int{1, 3, fewRequests} {
		for name, pipeline := range map[string]int{"on": 1 << 20, "off": 1} {
			t.Run(fmt.Sprintf("%d/%s", n, name), func(t *testing.T) {
				t.Parallel()
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				r := rand.New(rand.NewPCG(seed, 0))
				var lies atomic.Int32
				lying := make(chan struct{}, 1) // a round to be lied about
				s := wiretest.Serve(t, func(c *wiretest.Conn) {
					var said []string
					lie := false
					for target, ok := c.Next(); ok; target, ok = c.Next() {
						if !lie && len(said) > 0 {
							select {
							case <-lying:
								lie = true
								lies.Add(1)
							default:
							}
						}
						switch {
						case lie && !slices.Contains(said, target):
							c.File(said[r.IntN(len(said))])
							continue
						default:
							c.File(target)
						}
						if !lie {
							said = append(said, target)
						}
					}
				})
				c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline})
				teach(t, c)
				for k, round := range names(n, 40) {
					if k > 3 && k%7 == 0 {
						lying <- struct{}{}
					}
					checkAllCome(t, c, round, false, "")
					select {
					case <-lying: // the round had connections of its own
					default:
					}
				}
				if lies.Load() == 0 && n > 1 {
					t.Error("it said nothing wrong")
				}
			})
		}
	}
}

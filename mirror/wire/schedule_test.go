package wire

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestSchedules has far sides that do one kind of thing wrong now and then, at
// places and times that a seed says, several times in a round and across rounds.
// No body stands under a wrong name, and nothing hangs.
func TestSchedules(t *testing.T) {
	kinds := map[string]func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) (goesOn bool){
		"again": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			l.Send(wiretest.OK(target))
			for range 1 + r.IntN(6) {
				l.After(time.Duration(r.Int64N(int64(late)+1)), wiretest.OK(target))
			}
			return true
		},
		"an older one again": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			l.Send(wiretest.OK(target))
			l.After(late, wiretest.OK(fmt.Sprintf("/get/dir/file-%07d", r.IntN(1000))))
			return true
		},
		"a guard again": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			l.Send(wiretest.OK(target))
			l.After(late, wiretest.OK(fmt.Sprintf("/get/teach/%d", 1+r.IntN(2))))
			return true
		},
		"busy": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			l.Send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
			return true
		},
		"busy and then": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			l.Send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
			l.After(late, wiretest.OK(target))
			return true
		},
		"none": func(*wiretest.Late, *rand.Rand, string, time.Duration) bool { return true },
		"pause": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			time.Sleep(late)
			l.Send(wiretest.OK(target))
			return true
		},
		"half and pause": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			whole := wiretest.OK(target)
			at := 1 + r.IntN(len(whole)-1)
			l.Write([]byte(whole[:at]))
			time.Sleep(late)
			l.Write([]byte(whole[at:]))
			return true
		},
		"cut": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			l.Send(wiretest.OK(target)[:r.IntN(30)])
			return false
		},
		"close and more": func(l *wiretest.Late, r *rand.Rand, target string, late time.Duration) bool {
			l.Send(wiretest.Last(target) + wiretest.OK(target))
			return true
		},
	}
	for kind, odd := range kinds {
		for name, pipeline := range map[string]int{"on": 1 << 20, "window": 8, "off": 1, "auto": 0} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				var odds atomic.Int32
				s := wiretest.Serve(t, func(c *wiretest.Conn) {
					l, r := wiretest.NewLate(c, seed), rand.New(rand.NewPCG(seed, uint64(c.N)))
					defer l.Wait()
					seldom := []int{20, 100, 300, 1000}[r.IntN(4)] // some are nearly well
					for {
						target, ok := c.Next()
						if !ok {
							return
						}
						if r.IntN(seldom) > 0 || !isName(target) || odds.Add(1) > 60 {
							l.Send(wiretest.OK(target))
						} else if !odd(l, r, target, time.Duration(r.IntN(4))*time.Millisecond) {
							c.CloseGently()
							return
						}
					}
				})
				soon := quick
				soon.Idle, soon.Probe = 60*time.Millisecond, 60*time.Millisecond
				c := newAuto(t, Options{URL: s.Base(), Pipeline: pipeline, Timeouts: soon})
				teach(t, c)
				for k := 0; k < 20 && odds.Load() < 12; k++ {
					checkAllCome(t, c, numbered(1000), false, "")
				}
				if odds.Load() < 3 {
					t.Errorf("it did so %d times only", odds.Load())
				}
			})
		}
	}
}

// TestFewContents has files of few different contents, so that those before the
// guards often look like guards. As many too many as a round has guards, less one,
// are seen whatever the files are.
func TestFewContents(t *testing.T) {
	few := func(target string) string {
		if strings.HasPrefix(target, "/get/teach/") {
			return target[len("/get/teach/"):] // 1 and 2
		}
		h := fnv.New32a()
		h.Write([]byte(target))
		return fmt.Sprint(1 + h.Sum32()>>8%3)
	}
	for _, n := range []int{100, 500} {
		for surplus := 1; surplus < guardWord(n); surplus++ {
			for k := range 30 {
				var times atomic.Int32
				s := wiretest.Serve(t, func(c *wiretest.Conn) {
					l := wiretest.NewLate(c, 1)
					defer l.Wait()
					for {
						target, ok := c.Next()
						if !ok {
							return
						}
						l.Send(wiretest.OK(few(target)))
						if isName(target) && times.Add(1) == 17 {
							for range surplus {
								l.After(200*time.Microsecond, wiretest.OK(few(target)))
							}
						}
					}
				})
				c := newClient(t, Options{URL: s.Base()})
				fetchAll(t, c, "teach/1", "teach/2")
				c.span.n.Store(mostSpan)
				names := numbered(n + k)
				for i, r := range fetchAll(t, c, names...) {
					if r.err == nil && r.body != few("/get/"+names[i]) {
						t.Fatalf("%d files, %d too many: %s is %q", n, surplus, names[i], r.body)
					}
				}
			}
		}
	}
}

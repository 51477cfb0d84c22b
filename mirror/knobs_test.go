package mirror_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// moreGot is a source that has more files than it lists.
type moreGot struct {
	serve.Source
	all *origintest.Files
}

func (s moreGot) Get(name []byte, o *serve.Object) error { return s.all.Get(name, o) }

// knobs have an origin misbehave, and tell of its requests.
type knobs struct {
	mu struct {
		sync.Mutex
		trouble *trouble // nil: none
		left    int      // requests that meet it, negative: all
		n       int      // requests since it began
		moved   func()
		stopAt  int // requests until stop is called
		stop    func()
	}
}

// trouble is a way to misbehave.
type trouble struct {
	what string
	// notThere: files may seem to be gone.
	notThere bool
	// get and list say what the n-th request since it began meets.
	get  func(name string, n int) origintest.Fault
	list func(n int) origintest.Fault
}

// numberOf is a number of a name, to pick some of them.
func numberOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

// twice is a fault that answers a get two times.
func twice(name string) origintest.Fault {
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(modelBody(name)), modelBody(name))
	return origintest.Fault{Mode: origintest.Raw, Body: []byte(answer + answer)}
}

// troubles are those that a model meets; k is how often.
func troubles(k int) []*trouble {
	every := func(f origintest.Fault) func(int) origintest.Fault {
		return func(n int) origintest.Fault {
			if n%k == 0 {
				return f
			}
			return origintest.Fault{}
		}
	}
	both := func(what string, f origintest.Fault) *trouble {
		at := every(f)
		return &trouble{what: what, get: func(_ string, n int) origintest.Fault { return at(n) }, list: at}
	}
	always := func(what string, f origintest.Fault) *trouble {
		t := both(what, f)
		t.get, t.list = func(string, int) origintest.Fault { return f }, func(int) origintest.Fault { return f }
		return t
	}
	away := always("away", origintest.Fault{Status: http.StatusNotFound})
	away.notThere = true
	return []*trouble{
		both("busy", origintest.Fault{Status: http.StatusServiceUnavailable}),
		both("cut", origintest.Fault{Mode: origintest.Cut}),
		both("reset", origintest.Fault{Mode: origintest.Cut, Reset: true}),
		both("cut in the body", origintest.Fault{Mode: origintest.CutBody, N: 9}),
		both("late", origintest.Fault{Delay: time.Millisecond}),
		both("chunked", origintest.Fault{Mode: origintest.Chunked, N: 100}),
		both("until close", origintest.Fault{Mode: origintest.UntilClose}),
		always("outage", origintest.Fault{Status: http.StatusBadGateway}),
		away,
		{what: "refused", get: func(name string, _ int) origintest.Fault {
			if numberOf(name)%uint64(k) == 0 {
				return origintest.Fault{Status: http.StatusForbidden}
			}
			return origintest.Fault{}
		}},
		{what: "twice", get: func(name string, n int) origintest.Fault {
			if n%k == 0 {
				return twice(name)
			}
			return origintest.Fault{}
		}},
	}
}

// turn has the origin misbehave in one way, or not at all.
func (k *knobs) turn(rng *rand.Rand) (what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.trouble, k.mu.n, k.mu.left = nil, 0, -1
	if rng.IntN(3) == 0 {
		return "well"
	}
	all := troubles(2 + rng.IntN(30))
	k.mu.trouble = all[rng.IntN(len(all))]
	if k.mu.trouble.what == "outage" || k.mu.trouble.notThere || rng.IntN(2) == 0 {
		k.mu.left = 1 + rng.IntN(100)
	}
	return fmt.Sprintf("%s for %d requests", k.mu.trouble.what, k.mu.left)
}

// heal ends all trouble.
func (k *knobs) heal() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.trouble = nil
}

// faulty reports whether there may be trouble, and whether files may seem to be gone.
func (k *knobs) faulty() (is, notThere bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.trouble != nil, k.mu.trouble != nil && k.mu.trouble.notThere
}

// onMove has moved be called at each request.
func (k *knobs) onMove(moved func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.moved = moved
}

// stopAfter has stop be called at a request to come, 0: at none.
func (k *knobs) stopAfter(requests int, stop func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.stopAt, k.mu.stop = requests, stop
}

// serve puts the knobs on a server.
func (k *knobs) serve(s *origintest.Server) {
	s.SetFaults(origintest.Faults{
		OnGet: func(name []byte, _ int) origintest.Fault {
			t, n := k.request()
			if t == nil || t.get == nil {
				return origintest.Fault{}
			}
			return t.get(string(name), n)
		},
		OnList: func(string, int) origintest.Fault {
			t, n := k.request()
			if t == nil || t.list == nil {
				return origintest.Fault{}
			}
			return t.list(n)
		},
	})
}

// request counts one, and says what it meets.
func (k *knobs) request() (t *trouble, n int) {
	k.mu.Lock()
	moved, stop := k.mu.moved, k.mu.stop
	if k.mu.stopAt--; k.mu.stopAt != 0 {
		stop = nil
	}
	if k.mu.left != 0 {
		t = k.mu.trouble
		k.mu.left--
	}
	k.mu.n++
	n = k.mu.n
	k.mu.Unlock()
	if moved != nil {
		moved()
	}
	if stop != nil {
		stop()
	}
	return t, n
}

package cluster

import (
	"cmp"
	"container/heap"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What the simulation knows of the world. "Measured" is on 2 busy cores, and so for ratios.
const (
	simFiles = 1_000_000_000
	// simName is what the lister takes to number a name and to write it into a table: measured,
	// 1.3 µs, with names of 25 bytes that come in order, 22 bytes each in the table.
	simName      = 1300 * time.Nanosecond
	simNameBytes = 22
	// simFile is what a worker takes for a file of 100 bytes where nothing is waited for:
	// 0.6 million a second, and 130 bytes each for the object store.
	simFile      = time.Second / 600_000
	simFileBytes = 130
	// simPut and simGet are what a request to the object store takes beside its round trip, and
	// simBandwidth is its bytes a second for one process.
	simPut, simGet = 30 * time.Millisecond, 15 * time.Millisecond
	simBandwidth   = 100 << 20
	// simS3Page is what AWS takes for a page of 1,000 keys in one sequence: 10 million an
	// hour were seen, 0.3 s a page.
	simS3Page = 300 * time.Millisecond
)

// listing is how an origin lists.
type listing struct {
	name string
	page int           // names
	each time.Duration // that a page takes beside its round trip
	// ranges are listed at the same time.
	ranges int
}

// fetching is how an origin gives files to a worker.
type fetching struct {
	name        string
	connections int
	ahead       int           // requests that a connection has under way
	each        time.Duration // that a request takes beside its round trip, if only one is under way
}

// file is how long a worker takes for each of many files.
func (f fetching) file(rtt time.Duration) time.Duration {
	return max(simFile, (rtt+f.each)/time.Duration(f.connections*f.ahead))
}

// simulation is a cluster that mirrors simFiles files. Time is from its beginning on.
type simulation struct {
	workers int
	rtt     time.Duration
	listing listing
	fetched fetching
	now     time.Duration
	events  simEvents
	order   int // of events of the same time

	left    int // segments that are not committed
	queue   int // of them those that are written and that nobody is at
	waiting []*simWorker
	starved time.Duration // what slots waited for a segment while there were to be more
	listed  time.Duration // when the last segment was written
}

// simWorker has slots that take turns at fetching.
type simWorker struct {
	free time.Duration // when what was begun to be fetched is there
	idle []time.Duration
}

type simEvent struct {
	at    time.Duration
	order int
	do    func()
}

type simEvents []simEvent

func (e simEvents) Len() int { return len(e) }
func (e simEvents) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].order, e[j].order)) < 0
}
func (e simEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)   { *e = append(*e, x.(simEvent)) }
func (e *simEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *simulation) after(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.events, simEvent{s.now + d, s.order, do})
}

// transfer is a request to the object store with so many bytes.
func (s *simulation) transfer(each time.Duration, bytes float64) time.Duration {
	return s.rtt + each + time.Duration(bytes/simBandwidth*float64(time.Second))
}

// run returns how long the mirror takes.
func (s *simulation) run() time.Duration {
	s.left = (simFiles + SegmentNames - 1) / SegmentNames
	for range s.workers {
		w := &simWorker{}
		for range defaultSlots {
			s.pull(w)
		}
	}
	s.list(s.left, 0)
	for s.left > 0 {
		e := heap.Pop(&s.events).(simEvent)
		s.now = e.at
		e.do()
	}
	return s.now + sealEvery/2 + s.transfer(simPut, 500*float64(s.left)) // the last manifest
}

// list writes the next of n segments once its pages have come, as far as the lister has kept
// up with them: pages come one after the other in each range, while it numbers names and
// writes segments.
func (s *simulation) list(n int, came time.Duration) {
	if n == 0 {
		s.listed = s.now
		return
	}
	pages := float64(SegmentNames) / float64(s.listing.page)
	came += time.Duration(pages * float64(s.rtt+s.listing.each) / float64(s.listing.ranges))
	begin := max(came, s.now)
	s.after(begin-s.now+SegmentNames*simName+s.transfer(simPut, SegmentNames*simNameBytes), func() {
		s.queue++
		s.give()
		s.list(n-1, came)
	})
}

// pull has a slot wait for a segment.
func (s *simulation) pull(w *simWorker) {
	w.idle = append(w.idle, s.now)
	s.waiting = append(s.waiting, w)
	s.give()
}

func (s *simulation) give() {
	for s.queue > 0 && len(s.waiting) > 0 {
		w := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.queue--
		s.starved += s.now - w.idle[0]
		w.idle = w.idle[1:]
		s.after(s.rtt+s.transfer(simGet, SegmentNames*simNameBytes), func() { s.fetch(w) })
	}
}

// fetch fetches a segment behind the other slot's, writes and commits it.
func (s *simulation) fetch(w *simWorker) {
	w.free = max(w.free, s.now) + SegmentNames*s.fetched.file(s.rtt)
	s.after(w.free-s.now+s.transfer(simPut, SegmentNames*simFileBytes)+s.transfer(simPut, 0)+s.rtt, func() {
		s.left--
		s.pull(w)
	})
}

// TestSimulation prints how long a cluster takes for 10⁹ files: where is the lister the limit,
// and what do longer pages and S3's ranges change?
func TestSimulation(t *testing.T) {
	listings := []listing{
		{"pages of 1,000", 1000, time.Millisecond, 1},
		{"pages of 10,000", 10_000, 5 * time.Millisecond, 1},
		{"pages of 100,000", 100_000, 50 * time.Millisecond, 1},
		{"S3, one sequence", 1000, simS3Page, 1},
		{"S3, 16 ranges", 1000, simS3Page, 16},
		{"S3, 128 ranges", 1000, simS3Page, 128},
	}
	fetchings := []fetching{
		{"16 connections, 990 requests ahead", 16, 990, time.Millisecond},
		{"64 connections, S3's 20 ms, none ahead", 64, 1, 20 * time.Millisecond},
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| listing | files | workers | 1 ms | 10 ms | 50 ms |\n|---|---|---|---|---|---|\n")
	for _, l := range listings {
		for _, f := range fetchings {
			for _, workers := range []int{10, 100} {
				fmt.Fprintf(&table, "| %s | %s | %d |", l.name, f.name, workers)
				before := time.Duration(0)
				for _, rtt := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
					s := &simulation{workers: workers, rtt: rtt, listing: l, fetched: f}
					took := s.run()
					limit := "workers"
					if float64(s.listed) > 0.95*float64(took) {
						limit = "lister"
					}
					idle := float64(s.starved) / float64(took) / float64(workers*defaultSlots)
					fmt.Fprintf(&table, " %.2f h, %s, %.0f %% idle |", took.Hours(), limit, 100*idle)
					s.check(t, took)
					if took < before {
						t.Errorf("%s, %s, %d workers: %v with %v, and %v with less", l.name, f.name, workers, took, rtt, before)
					}
					before = took
				}
				table.WriteByte('\n')
			}
		}
	}
	t.Logf("10⁹ files of 100 bytes, by the round trip to all servers; what is the limit, and how long slots wait for names:\n%s", table.String())
}

// check compares with what no cluster can be faster than.
func (s *simulation) check(t *testing.T, took time.Duration) {
	t.Helper()
	pages := time.Duration(float64(simFiles) / float64(s.listing.page*s.listing.ranges) * float64(s.rtt+s.listing.each))
	lister := simFiles / SegmentNames * (SegmentNames*simName + s.transfer(simPut, SegmentNames*simNameBytes))
	least := max(pages, lister, simFiles*s.fetched.file(s.rtt)/time.Duration(s.workers))
	if took < least || took > least*11/10+time.Minute {
		t.Errorf("%s, %s, %d workers, %v: %v, and what takes longest %v", s.listing.name, s.fetched.name, s.workers, s.rtt, took, least)
	}
}

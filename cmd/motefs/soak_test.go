package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
)

const (
	// soakVariable is how long TestSoak goes on; seedVariable has it follow the plan of an
	// earlier one. Where the former is set, troubles of an origin last as long as they do
	// elsewhere.
	soakVariable, seedVariable = "SOAK", "SOAK_SEED"
	soakShort                  = 4 * time.Second

	// soakPages times soakPage files are mirrored over and over again; soakDir are in a
	// directory.
	soakPages, soakPage, soakDir = 10, 200, 500
	// soakList is how many files a reader compares at a time.
	soakList = 60
)

func long() bool { return os.Getenv(soakVariable) != "" }

// soak is one run of TestSoak.
type soak struct {
	t    *testing.T
	seed uint64
	end  time.Time
	over chan struct{}
	// small is mirrored over and over again, and large read by the mount that lives on.
	small, large soakOrigin

	// calm is held while the origin is not well.
	calm sync.Mutex
	reads, refused, listings, faults, kills, stops, rounds,
	wrong atomic.Int64
}

// rng is what the seed says for one part of a run.
func (s *soak) rng(part uint64) *rand.Rand { return rand.New(rand.NewPCG(s.seed, part)) }

func (s *soak) sleep(d time.Duration) {
	select {
	case <-s.over:
	case <-time.After(d):
	}
}

func (s *soak) ended() bool {
	select {
	case <-s.over:
		return true
	default:
		return time.Now().After(s.end)
	}
}

// span is a random time.
func span(rng *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(rng.Int64N(int64(to-from)))
}

// disturb has the origin be well and not well by turns, as the seed says.
func (s *soak) disturb() {
	rng := s.rng(1)
	for !s.ended() {
		kind, every, lasts, pause := rng.IntN(len(soakFaults)+soakKinds), 1+rng.IntN(20), span(rng, 50*time.Millisecond, time.Second), span(rng, 50*time.Millisecond, time.Second)
		s.calm.Lock()
		s.faults.Add(1)
		s.small.disturb(kind, every)
		s.large.disturb(kind, every)
		s.sleep(lasts)
		s.small.heal()
		s.large.heal()
		s.calm.Unlock()
		s.sleep(pause)
	}
}

// compare has a process read some files. Any may fail while the origin is not well or
// the mount is not there, but none may have other bytes.
func (s *soak) compare(o *soakOrigin, dir string, rng *rand.Rand) {
	list := o.sums(s.t, func(int64) int64 { return rng.Int64N(o.src.Len()) }, soakList)
	defer os.Remove(list)
	out, _ := process.Run(s.t, "sh", "-c", `cd "$1" && exec sha256sum --quiet -c "$2"`, "sh", dir, list)
	failed := int64(strings.Count(out, ": FAILED open or read\n"))
	s.reads.Add(soakList - failed)
	s.refused.Add(failed)
	if n := strings.Count(out, ": FAILED\n"); n > 0 {
		s.wrong.Add(int64(n))
		s.t.Errorf("files with other bytes:\n%s", out)
	}
}

// list has processes go through names. Whatever is there, is there once.
func (s *soak) list(o *soakOrigin, dir string, rng *rand.Rand) {
	s.listings.Add(1)
	sub := filepath.Dir(o.src.Name(rng.Int64N(o.src.Len())))
	out, _ := process.Run(s.t, "sh", "-c", `{ cd "$1" && ls -U "$2" >/dev/null; stat . >/dev/null; stat -f . >/dev/null; find . -type f | sort | uniq -d; } 2>/dev/null`, "sh", dir, sub)
	if out != "" {
		s.t.Errorf("names that are there twice:\n%s", out)
	}
}

// read reads and lists the mount that lives on until the end.
func (s *soak) read(dir string, part uint64) {
	rng := s.rng(part)
	for !s.ended() {
		if rng.IntN(10) == 0 {
			s.list(&s.large, dir, rng)
		} else {
			s.compare(&s.large, dir, rng)
		}
	}
}

// whole compares every byte of a mount with the formula, and lists each name.
func (s *soak) whole(o *soakOrigin, dir string) {
	s.t.Helper()
	const atOnce = 5000 // files that are read well before a deadline
	for from := int64(0); from < o.src.Len(); from += atOnce {
		list := o.sums(s.t, func(k int64) int64 { return from + k }, min(atOnce, o.src.Len()-from))
		shell(s.t, `cd "$1"; exec sha256sum --quiet -c "$2"`, dir, list)
		if err := os.Remove(list); err != nil {
			s.t.Error(err)
		}
	}
	if got := strings.TrimSpace(shell(s.t, `find "$1" -type f | wc -l`, dir)); got != strconv.FormatInt(o.src.Len(), 10) {
		s.t.Errorf("%s files, want %d", got, o.src.Len())
	}
}

// mirrored says that a mount has everything, and endedRun that it does not go on by
// itself for a minute, or until it is started again.
const mirrored = "the mirror is complete:"

var endedRun = regexp.MustCompile("the mirror is complete|again_in")

// interrupted mirrors into stores, one after the other, under a reader. Each mount is
// ended by SIGINT or kill -9 before long, until the mirror is complete.
func (s *soak) interrupted() {
	t, rng := s.t, s.rng(2)
	for !s.ended() {
		m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
		t.Cleanup(m.clear)
		m = s.untilMirrored(m, rng)
		s.whole(&s.small, m.dir)
		m.unmount()
		said := finish(t, exitOK, "verify", "--store", m.store).Stdout.String()
		if n := sumOf(t, said, "fetched"); int64(n) != s.small.src.Len() || !strings.Contains(said, "the store is sound") {
			t.Errorf("%d of %d files:\n%s", n, s.small.src.Len(), said)
		}
		s.rounds.Add(1)
		if err := os.RemoveAll(m.store); err != nil {
			t.Error(err)
		}
	}
}

// reader reads what is mirrored until stop.
func (s *soak) reader(dir string) (stop func()) {
	var wg sync.WaitGroup
	done, rng := make(chan struct{}), s.rng(100+uint64(s.rounds.Load()))
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.compare(&s.small, dir, rng)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// untilMirrored mounts a store again and again. Once the time is over it ends a mount
// only where that would not go on by itself.
func (s *soak) untilMirrored(m *mountedProcess, rng *rand.Rand) *mountedProcess {
	defer s.reader(m.dir)()
	for listed := 0; ; {
		m = s.mount(m, listed)
		if s.ended() {
			eventually.True(s.t, "an end", func() bool { return endedRun.MatchString(m.Stderr.String()) })
		} else {
			s.sleep(span(rng, 100*time.Millisecond, 1500*time.Millisecond))
		}
		if strings.Contains(m.Stderr.String(), mirrored) {
			return m
		}
		if rng.IntN(2) == 0 {
			s.kills.Add(1)
			m.Signal(syscall.SIGKILL)
			m.Wait()
		} else {
			s.stops.Add(1)
			m.unmount()
		}
		listed = sumOf(s.t, finish(s.t, exitOK, "verify", "--store", m.store).Stdout.String(), "listed")
	}
}

// mount mounts a store. One with nothing in it needs an origin that is well.
func (s *soak) mount(m *mountedProcess, listed int) *mountedProcess {
	s.t.Helper()
	if listed == 0 {
		s.calm.Lock()
		defer s.calm.Unlock()
	}
	return m.again(s.small.url(), "--prefetch-all")
}

// footprint is what a process holds.
type footprint struct {
	threads, files, memory int64
}

func (s *soak) footprint(m *mountedProcess) (f footprint) {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", m.Pid())
	fds, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, fd := range fds {
		// The store's are as many as it has tables, and the long files that were read last.
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && !strings.HasPrefix(to, m.store) {
			f.files++
		}
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", m.Pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	f.threads = int64(len(tasks))
	f.memory = memory(s.t, m.Process, "VmRSS")
	return f
}

// goroutines has a process say where its goroutines are, which ends it.
func (s *soak) goroutines(m *mountedProcess) int {
	m.Signal(syscall.SIGQUIT)
	m.Wait()
	return len(regexp.MustCompile(`(?m)^goroutine \d+ `).FindAllString(m.Stderr.String(), -1))
}

// TestSoak has everything happen at once, for SOAK: mounts that mirror and are killed
// and stopped over and over again, one that lives through all of it, readers and
// listings of both, and an origin whose faults a seed plans. Nothing that is read has
// other bytes, each mirror becomes whole, and in the end nothing is left over.
func TestSoak(t *testing.T) {
	lasts := soakShort
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := &soak{t: t, seed: rand.Uint64(), over: make(chan struct{}), end: time.Now().Add(lasts)}
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if s.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d", seedVariable, s.seed)
	small, large := int64(soakPages*soakPage), int64(soakPages*soakPage)
	if long() {
		small, large = 10*small, 100*large
	}
	s.small, s.large = s.origin(small, 3*time.Second*soakPage/time.Duration(small)), s.origin(large, 0)
	steady := startMount(t, s.large.url())
	steady.Logs("every name is listed")
	s.compare(&s.large, steady.dir, s.rng(3))
	s.list(&s.large, steady.dir, s.rng(3))
	before := s.footprint(steady)
	s.end = time.Now().Add(lasts)
	var wg sync.WaitGroup
	stop := sync.OnceFunc(func() { close(s.over); wg.Wait() })
	defer stop()
	wg.Go(s.disturb)
	for part := range uint64(2) {
		wg.Go(func() { s.read(steady.dir, 10+part) })
	}
	s.interrupted()
	stop()
	s.whole(&s.large, steady.dir)
	after := s.footprint(steady)
	for end := time.Now().Add(soakQuiet); after.files > before.files+soakSpareFiles && time.Now().Before(end); after = s.footprint(steady) {
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("before %+v, after %+v", before, after)
	if after.files > before.files+soakSpareFiles || after.threads > before.threads+soakSpareThreads || after.memory > before.memory+soakSpareMemory*raceFactor() {
		t.Errorf("before %+v, after %+v", before, after)
	}
	left := s.goroutines(steady)
	steady.clear()
	again := steady.again(s.large.url())
	s.whole(&s.large, again.dir)
	if fresh := s.goroutines(again); left > fresh+soakSpareGoroutines {
		t.Errorf("%d goroutines at the end, a fresh one has %d", left, fresh)
	} else {
		t.Logf("%d goroutines at the end, a fresh one has %d", left, fresh)
	}
	again.clear()
	finish(t, exitOK, "verify", "--store", steady.store)
	if s.reads.Load() == 0 || s.kills.Load()+s.stops.Load() == 0 || s.rounds.Load() == 0 || s.faults.Load() == 0 {
		t.Error("something did not happen")
	}
	t.Logf("soak of %v, seed %d: %d mirrors of %d files, %d kills, %d stops, %d faults, %d files read and %d refused, %d listings; %d wrong",
		lasts, s.seed, s.rounds.Load(), small, s.kills.Load(), s.stops.Load(), s.faults.Load(), s.reads.Load(), s.refused.Load(), s.listings.Load(), s.wrong.Load())
}

// What a mount may have more of in the end than before: caches that are full by then,
// threads that Go keeps.
const (
	soakSpareFiles, soakSpareThreads, soakSpareGoroutines = 10, 40, 40
	soakSpareMemory                                       = 256 << 20
	// soakQuiet is longer than a connection is kept for later.
	soakQuiet = 100 * time.Second
)

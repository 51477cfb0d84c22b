package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/rs/zerolog"
	"golang.org/x/term"
)

const (
	// liveEvery and logEvery are how often progress is shown on a terminal and
	// off one.
	liveEvery = 250 * time.Millisecond
	logEvery  = 5 * time.Second
	// rateOver is the time over which rates are taken.
	rateOver = 3 * time.Second
)

// screen is where the live line stands and the log scrolls by above it.
type screen struct {
	w        io.Writer
	terminal bool

	mu struct {
		sync.Mutex
		line string
	}
}

func newScreen(w io.Writer) *screen { return &screen{w: w, terminal: isTerminal(w)} }

const clearLine = "\r\x1b[K"

// Write prints log lines; the live line stays below them.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.line == "" {
		return s.w.Write(p)
	}
	text := append([]byte(clearLine), p...)
	if _, err := s.w.Write(append(text, s.mu.line...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// live replaces the live line; "" takes it away.
func (s *screen) live(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if width := s.width(); len(line) >= width {
		line = line[:width-1]
	}
	if line != "" || s.mu.line != "" {
		fmt.Fprint(s.w, clearLine+line)
	}
	s.mu.line = line
}

func (s *screen) width() int {
	if f, ok := s.w.(interface{ Fd() uintptr }); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			return w
		}
	}
	return 80
}

// reporter shows the progress of a store until it is stopped.
type reporter struct {
	end chan struct{}
	wg  sync.WaitGroup
}

// progressMeter says how far something has come.
type progressMeter interface {
	sample(at time.Time)
	line() string
	log(log zerolog.Logger)
}

// startProgress begins to show it: one live line on a terminal, a log line every
// few seconds elsewhere.
func startProgress(s *screen, log zerolog.Logger, m progressMeter) *reporter {
	r := &reporter{end: make(chan struct{})}
	every := logEvery
	if s.terminal {
		every = liveEvery
	}
	m.sample(time.Now())
	r.wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-r.end:
				s.live("")
				return
			case now := <-tick.C:
				m.sample(now)
				if s.terminal {
					s.live(m.line())
				} else {
					m.log(log)
				}
			}
		}
	})
	return r
}

func (r *reporter) stop() {
	close(r.end)
	r.wg.Wait()
}

// samples are counts of the last rateOver, the latest last.
type samples[T any] []sample[T]

type sample[T any] struct {
	at    time.Time
	count T
}

func (s *samples[T]) add(at time.Time, count T) {
	for len(*s) > 1 && at.Sub((*s)[1].at) > rateOver {
		*s = (*s)[1:]
	}
	*s = append(*s, sample[T]{at, count})
}

func (s samples[T]) last() T { return s[len(s)-1].count }

// over returns the oldest and the latest count, and how many seconds lie between.
func (s samples[T]) over() (from, to T, seconds float64) {
	return s[0].count, s.last(), s[len(s)-1].at.Sub(s[0].at).Seconds()
}

// meter turns a sequence of counts into rates.
type meter struct {
	store    *cache.Store
	prefetch bool
	samples  samples[cache.Progress]
}

func (m *meter) sample(at time.Time) { m.samples.add(at, m.store.Progress()) }

// rates returns names, files and bytes a second.
func (m *meter) rates() (names, files, bytes float64) {
	a, b, t := m.samples.over()
	if t <= 0 {
		return 0, 0, 0
	}
	return float64(b.Files-a.Files) / t, float64(b.Fetched-a.Fetched) / t, float64(b.Bytes-a.Bytes) / t
}

// eta is how long the rest will take, 0 where that is not known.
func (m *meter) eta() time.Duration {
	p := m.samples.last()
	_, files, _ := m.rates()
	left := p.Files - min(p.Files, p.Fetched+p.Gone+p.Failed)
	if !p.ListingComplete || files < 1 || left == 0 {
		return 0
	}
	return time.Duration(float64(left) / files * float64(time.Second)).Round(time.Second)
}

func (m *meter) line() string {
	p := m.samples.last()
	names, files, bytes := m.rates()
	listed := count(p.Files) + " listed"
	if !p.ListingComplete {
		listed += "…"
	}
	if !m.prefetch {
		return fmt.Sprintf("%s  %s fetched  %s names/s", listed, count(p.Fetched), count(uint64(names)))
	}
	text := fmt.Sprintf("%s  %s fetched  %s failed  %s files/s  %s/s", listed, count(p.Fetched), count(p.Failed), count(uint64(files)), bytesText(bytes))
	if eta := m.eta(); eta > 0 {
		text += "  " + eta.String() + " left"
	}
	return text
}

func (m *meter) log(log zerolog.Logger) {
	p := m.samples.last()
	names, files, bytes := m.rates()
	e := log.Info().Uint64(fieldListed, p.Files).Bool(fieldListingComplete, p.ListingComplete).
		Uint64(fieldFetched, p.Fetched).Uint64(fieldFailed, p.Failed).Uint64(fieldGone, p.Gone)
	if m.prefetch {
		e = e.Int(fieldFilesPerSecond, int(files)).Int(fieldBytesPerSecond, int(bytes))
	} else {
		e = e.Int(fieldNamesPerSecond, int(names))
	}
	if eta := m.eta(); eta > 0 {
		e = e.Stringer(fieldETA, eta)
	}
	e.Msg("progress")
}

// The names of the fields of a progress line.
const (
	fieldListed          = "listed"
	fieldListingComplete = "listing_complete"
	fieldFetched         = "fetched"
	fieldFailed          = "failed"
	fieldGone            = "gone"
	fieldFilesPerSecond  = "files_per_second"
	fieldNamesPerSecond  = "names_per_second"
	fieldBytesPerSecond  = "bytes_per_second"
	fieldETA             = "eta"
)

// count writes a number with its thousands apart.
func count(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted is a number of things, as in "1 try" and "2,000 tries".
func counted(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if stem, ok := strings.CutSuffix(thing, "y"); ok {
		return count(n) + " " + stem + "ies"
	}
	return count(n) + " " + thing + "s"
}

// bytesText writes a number of bytes with a unit.
func bytesText(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", n)
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

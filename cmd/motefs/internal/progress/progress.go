// Package progress shows how far a mirror, a listing or a refresh has come, from its
// status.Status: as bars below the log on a terminal, as lines of the log, or as JSON.
package progress

import (
	"errors"
	"sync"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/rs/zerolog"
)

// Mode is how progress is shown.
type Mode string

// The modes.
const (
	Auto  Mode = "auto"  // Bar on a terminal, Plain elsewhere
	Bar   Mode = "bar"   // live lines; on what is no terminal Plain
	Plain Mode = "plain" // a line of the log every few seconds
	JSON  Mode = "json"  // an object a line every second
	None  Mode = "none"
)

// Set reads a flag's value.
func (m *Mode) Set(value string) error {
	switch Mode(value) {
	case Auto, Bar, Plain, JSON, None:
		*m = Mode(value)
		return nil
	}
	return errors.New("give auto, bar, plain, json or none")
}

// String and Type are for the help.
func (m *Mode) String() string { return string(*m) }

// Type is the name of the value in the help.
func (m *Mode) Type() string { return "auto|bar|plain|json|none" }

// How often each mode shows something.
const (
	barEvery   = 250 * time.Millisecond
	plainEvery = 5 * time.Second
	jsonEvery  = time.Second
)

// Options say how and where progress is shown.
type Options struct {
	Mode   Mode
	Screen *screen.Screen
	Log    zerolog.Logger
	// Emit takes the objects of JSON.
	Emit func(status.Status)
	// Source says how far it has come.
	Source *status.Source
}

// Reporter shows progress until it is stopped.
type Reporter struct {
	end  chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// Start begins to show it.
func Start(o Options) *Reporter {
	r := &Reporter{end: make(chan struct{})}
	switch mode := o.Mode; {
	case mode == None:
	case mode == JSON:
		r.wg.Go(func() { r.every(jsonEvery, nil, func() { o.Emit(o.Source.Status()) }) })
	case mode != Plain && o.Screen.Terminal():
		r.wg.Go(func() {
			resized, stop := screen.Resized()
			defer stop()
			defer o.Screen.Live(nil)
			r.every(barEvery, resized, func() {
				st := o.Source.Quick()
				o.Screen.Live(Lines(&st, room(o.Screen.Columns())))
			})
		})
	default:
		r.wg.Go(func() {
			r.every(plainEvery, nil, func() {
				st := o.Source.Quick()
				Log(o.Log, &st)
			})
		})
	}
	return r
}

// room is how many of a terminal's columns a live line takes. Where there are enough, ^C, which
// a terminal shows behind it, does not make it wrap.
func room(columns int) int {
	if columns > narrow {
		return columns - 3
	}
	return columns - 1
}

// every does show at intervals, and when sooner says so.
func (r *Reporter) every(interval time.Duration, sooner <-chan screen.Signal, show func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-r.end:
			return
		case <-tick.C:
		case <-sooner:
		}
		show()
	}
}

// Stop ends it, and takes live lines away.
func (r *Reporter) Stop() {
	r.once.Do(func() { close(r.end) })
	r.wg.Wait()
}

// Log is one line of the log.
func Log(log zerolog.Logger, s *status.Status) {
	if r := s.Refresh; r != nil && s.State == status.Refreshing {
		e := log.Info().Uint64("listed", r.Listed).Uint64("new", r.New).Uint64("changed", r.Changed).
			Uint64("removed", r.Removed).Uint64("compared", r.Compared)
		number(e, "per_second", r.PerSecond).Msg("refresh")
		return
	}
	e := log.Info().Uint64("listed", s.Listed).Bool("listing_complete", s.ListingComplete).
		Uint64("fetched", s.Fetched).Uint64("failed", s.Failed).Uint64("gone", s.Gone)
	if s.Prefetch {
		number(number(e, "files_per_second", s.FilesPerSecond), "bytes_per_second", s.BytesPerSecond)
	} else {
		number(e, "names_per_second", s.NamesPerSecond)
	}
	number(e, "seconds_remaining", s.SecondsRemaining)
	if s.State != status.Mirroring && s.State != status.Listing {
		e = e.Str("state", string(s.State))
	}
	e.Msg("progress")
}

// number adds a field, unless its value is not known.
func number(e *zerolog.Event, name string, value *uint64) *zerolog.Event {
	if value != nil {
		e = e.Uint64(name, *value)
	}
	return e
}

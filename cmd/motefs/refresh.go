package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// refreshFlags say whether and how a complete mirror follows its origin.
type refreshFlags struct {
	what      refreshWhat
	sample    int
	dryRun    bool
	maxDelete goneLimit
}

func (f *refreshFlags) register(flags *pflag.FlagSet) {
	f.registerWhat(flags, "look again at an origin whose mirror is complete, at its `names|contents`: list it again, fetch what is new and remove what is gone; contents also asks for every file and compares it")
	flags.IntVar(&f.sample, "sample", 0, "compare so `many` files that are drawn at random with the origin's, and change nothing")
	flags.BoolVar(&f.dryRun, "dry-run", false, "with --refresh: say what would change, and change nothing")
	f.registerMaxDelete(flags)
	inGroup(flags, groupRefresh, "refresh", "sample", "dry-run", "max-delete")
}

func (f *refreshFlags) registerWhat(flags *pflag.FlagSet, usage string) {
	flags.Var(&f.what, "refresh", usage)
	flags.Lookup("refresh").NoOptDefVal = string(refreshNames)
}

func (f *refreshFlags) registerMaxDelete(flags *pflag.FlagSet) {
	flags.Var(&f.maxDelete, "max-delete", "how many files a refresh may remove that are neither listed nor there any more, `N or N%`; with more, none is removed (default 10%, and at least 100, but none where nothing is listed)")
}

func (f *refreshFlags) validate() error {
	switch {
	case f.sample < 0:
		return usagef("--sample: give a number of files")
	case f.sample > 0 && f.what != "":
		return usagef("give either --refresh or --sample")
	case f.dryRun && f.what == "":
		return usagef("--dry-run goes with --refresh")
	}
	return nil
}

// asked reports whether there is anything to refresh.
func (f *refreshFlags) asked() bool { return f.what != "" || f.sample > 0 }

func (f *refreshFlags) options() mirror.RefreshOptions {
	return mirror.RefreshOptions{Contents: f.what == refreshContents, Sample: f.sample, DryRun: f.dryRun, MaxDelete: mirror.GoneLimit(f.maxDelete)}
}

// refreshWhat is what a refresh looks at.
type refreshWhat string

const (
	refreshNames    refreshWhat = "names"
	refreshContents refreshWhat = "contents"
)

// Set reads the flag's value.
func (w *refreshWhat) Set(text string) error {
	if text != string(refreshNames) && text != string(refreshContents) {
		return errors.New("give names or contents")
	}
	*w = refreshWhat(text)
	return nil
}

// String is the value as it is given.
func (w *refreshWhat) String() string { return string(*w) }

// Type is the name of the value in the help.
func (w *refreshWhat) Type() string { return "names|contents" }

// refresh brings a complete mirror to what its origin is, until ctx is done or the store
// breaks.
func (s *session) refresh(ctx context.Context, o mirror.RefreshOptions) (found cache.Refreshed, err error) {
	err = s.untilBroken(ctx, func() (err error) {
		found, err = s.engine.Refresh(ctx, o)
		return err
	})
	return found, err
}

// mirrorRefresh refreshes, and says what was found.
func (a *app) mirrorRefresh(ctx context.Context, s *session, f *refreshFlags, screen *screen, log zerolog.Logger) error {
	start := time.Now()
	o := f.options()
	progress := startProgress(screen, log, &refreshMeter{engine: s.engine, store: s.store})
	found, err := s.refresh(ctx, o)
	progress.stop()
	if o.Sample > 0 && err == nil {
		printLine(a.stdout, "motefs: %s", sampleText(found))
		return nil
	}
	printLine(a.stdout, "motefs: %s; in %s", refreshText(found, o.DryRun), time.Since(start).Round(10*time.Millisecond))
	switch {
	case errors.Is(err, mirror.ErrManyUnlisted):
		return fmt.Errorf("%w; if that is right, give --max-delete", err)
	case err != nil && !errors.Is(err, context.Canceled):
		return fmt.Errorf("%w; the refresh of %s is not complete, run the same command again to go on", err, s.id)
	case err != nil:
		return err
	}
	if found.Kept > 0 {
		return fmt.Errorf("%w: for %d the origin gave no certain answer, and they were kept as they are", errFailedFiles, found.Kept)
	}
	return nil
}

// refreshText is one line about what a refresh has found.
func refreshText(r cache.Refreshed, dry bool) string {
	removed := "removed"
	if dry {
		removed = "not listed any more"
	}
	unchanged := r.Listed - min(r.Listed, r.New+r.Changed+r.Returned)
	text := fmt.Sprintf("%s listed: %s new, %s changed, %s %s, %s returned, %s unchanged", count(r.Listed), count(r.New), count(r.Changed), count(r.Removed), removed, count(r.Returned), count(unchanged))
	if r.Reviewed > 0 {
		text += fmt.Sprintf(", %s compared", count(r.Reviewed))
	}
	if r.Kept > 0 {
		text += fmt.Sprintf(", %s kept without a certain answer", count(r.Kept))
	}
	if dry {
		text += " (dry run: nothing was written)"
	}
	return text
}

// sampleText says what a sample says of all. Where none of n has changed, fewer than 3/n
// of all have, at 95 % (the "rule of three": J. A. Hanley, A. Lippman-Hand, "If nothing
// goes wrong, is everything all right?", JAMA 249, 1983).
func sampleText(r cache.Refreshed) string {
	if r.Reviewed == 0 {
		return "no file was compared"
	}
	text := fmt.Sprintf("%s of %s changed", count(r.Changed), count(r.Reviewed))
	if r.Changed == 0 {
		text += ": fewer than " + perMillion(3/float64(r.Reviewed)) + ", at 95 %"
	} else {
		text += ": about " + perMillion(float64(r.Changed)/float64(r.Reviewed))
	}
	if r.Kept > 0 {
		text += fmt.Sprintf("; %s gave no certain answer", count(r.Kept))
	}
	return text
}

// perMillion writes a share in the unit that suits it.
func perMillion(share float64) string {
	if share >= 0.001 {
		return strconv.FormatFloat(100*share, 'g', 2, 64) + " %"
	}
	return strconv.FormatFloat(1e6*share, 'g', 2, 64) + " in a million"
}

// refreshMeter is the progress of a refresh.
type refreshMeter struct {
	engine  *mirror.Engine
	store   *cache.Store
	samples samples[cache.Refreshed]
}

func (m *refreshMeter) sample(at time.Time) { m.samples.add(at, m.engine.Refreshed()) }

// rate is names or files a second, whichever are being looked at.
func (m *refreshMeter) rate() uint64 {
	a, b, t := m.samples.over()
	if t <= 0 {
		return 0
	}
	return uint64(float64(b.Listed-a.Listed+b.Reviewed-a.Reviewed) / t)
}

func (m *refreshMeter) line() string {
	r := m.samples.last()
	text := fmt.Sprintf("%s of about %s listed", count(r.Listed), count(m.store.Usage().Files))
	if r.Reviewed > 0 {
		text = fmt.Sprintf("%s of %s compared", count(r.Reviewed), count(m.store.Usage().Files))
	}
	return fmt.Sprintf("%s  %s new  %s changed  %s removed  %s/s", text, count(r.New), count(r.Changed), count(r.Removed), count(m.rate()))
}

func (m *refreshMeter) log(log zerolog.Logger) {
	r := m.samples.last()
	log.Info().Uint64(fieldListed, r.Listed).Uint64("new", r.New).Uint64("changed", r.Changed).Uint64("removed", r.Removed).
		Uint64("compared", r.Reviewed).Uint64("per_second", m.rate()).Msg("refresh")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
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
	flags.IntVar(&f.sample, "sample", 0, "compare `N` files that are drawn at random with the origin's, and change nothing")
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
		return usagef("--sample %d: give a number of files", f.sample)
	case f.sample > 0 && f.what != "":
		return usagef("--refresh and --sample do not go together: give one of them")
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

// Reset makes it what it is without the flag, which no text says.
func (w *refreshWhat) Reset() { *w = "" }

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
func (a *app) mirrorRefresh(ctx context.Context, s *session, f *refreshFlags, on *screen.Screen, log zerolog.Logger) error {
	start := time.Now()
	o := f.options()
	progress := a.startProgress(on, log, s.status.Source)
	s.status.Set(status.Refreshing)
	found, err := s.refresh(ctx, o)
	progress.Stop()
	s.status.ended(err, s.store.Progress())
	if o.Sample > 0 && err == nil {
		a.tell("%s", sampleText(found))
		return nil
	}
	a.tell("%s; in %s", refreshText(found, o.DryRun), time.Since(start).Round(10*time.Millisecond))
	switch {
	case errors.Is(err, mirror.ErrManyUnlisted):
		return fmt.Errorf("%w; if that is right, give --max-delete", err)
	case err != nil && !errors.Is(err, context.Canceled):
		return fmt.Errorf("%w; the refresh of %s is not complete, run the same command again to go on", err, s.id)
	case err != nil:
		return err
	}
	if found.Kept > 0 {
		return fmt.Errorf("%w: for %s the origin gave no certain answer, and they were kept as they are; run the same command again to ask again", errFailedFiles, count(found.Kept))
	}
	if o.DryRun {
		return nil
	}
	return a.failedFiles(s, s.store.Progress())
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
		text += ": fewer than " + perMillion(3/float64(r.Reviewed)) + ", with 95 % confidence"
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

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/spf13/cobra"
)

func mirrorCommand(a *app) *cobra.Command {
	f := &mirrorFlags{sourceFlags: sourceFlags{outage: 2 * time.Minute}}
	cmd := &cobra.Command{
		Use:   "mirror [flags] ORIGIN",
		Short: "Mirror every file of an origin, then exit",
		Long: "Mirror every file of an origin into the store, then exit. A mirror that was\n" +
			"stopped, by Ctrl-C, a crash or an outage, goes on where it was when it is started\n" +
			"again with the same store.\n\n" +
			"A mirror that is complete is left as it is, unless --refresh has the origin be\n" +
			"looked at again.",
		Example: "  motefs mirror http://127.0.0.1:8080\n  motefs mirror --refresh http://127.0.0.1:8080",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.validate(cmd); err != nil {
				return err
			}
			return a.mirror(cmd.Context(), f, args[0])
		},
	}
	f.register(cmd.Flags())
	cmd.SetUsageFunc(groupedUsage)
	f.refresh.register(cmd.Flags())
	return cmd
}

// mirrorFlags are the flags of mirror.
type mirrorFlags struct {
	sourceFlags
	refresh refreshFlags
}

func (f *mirrorFlags) validate(cmd *cobra.Command) error {
	if err := f.refresh.validate(); err != nil {
		return err
	}
	return f.sourceFlags.validate(cmd)
}

func (a *app) mirror(ctx context.Context, f *mirrorFlags, raw string) (err error) {
	id, dir, err := f.target(raw)
	if err != nil {
		return err
	}
	outliveOutput()
	if err := a.openLog(); err != nil {
		return err
	}
	screen := newScreen(a.console)
	log, err := a.logger(screen)
	if err != nil {
		return err
	}
	a.openNotify(log)
	a.doing("opening the store %s", dir)
	defer context.AfterFunc(ctx, func() {
		log.Info().Msg("stopping; a second Ctrl-C ends at once")
		a.notify.Stopping("stopping")
	})()
	s, err := openSession(sessionOptions{flags: &f.sourceFlags, id: id, dir: dir, prefetch: true, log: log})
	if err != nil {
		return err
	}
	defer func() {
		closing := s.close()
		if broken := s.store.BrokenErr(); broken == nil || !errors.Is(err, broken) { // else it is said already
			err = errors.Join(err, closing)
		}
	}()
	if err := s.store.ReadOnly(); err != nil {
		return fmt.Errorf("nothing can be stored in %s: %w; see what is free with: df %s", dir, err, dir)
	}
	printLine(a.stdout, "motefs: mirroring %s into %s", id, dir)
	a.doing("asking %s for its first names", id)
	if err := s.probe(ctx); err != nil {
		return err
	}
	if err := a.serves("mirroring " + id); err != nil {
		return err
	}
	defer a.notify.Start(s.status, s.alive)()
	if f.refresh.asked() && s.store.ListingComplete() {
		return a.mirrorRefresh(ctx, s, &f.refresh, screen, log)
	}
	start, before := time.Now(), s.store.Progress()
	progress := startProgress(screen, log, &meter{store: s.store, prefetch: true})
	runErr := s.run(ctx)
	progress.stop()
	return a.mirrorResult(s, runErr, before, time.Since(start))
}

// mirrorResult says how a mirror ended.
func (a *app) mirrorResult(s *session, runErr error, before cache.Progress, took time.Duration) error {
	p := s.store.Progress()
	printLine(a.stdout, "motefs: %s", summary(p, before, took))
	if runErr != nil {
		if !errors.Is(runErr, context.Canceled) {
			advice := "run the same command again to go on"
			if status, ok := errors.AsType[*mirror.StatusError](runErr); ok && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden) {
				advice = "give the access that it wants with --header @FILE, then " + advice
			}
			if refusal, ok := errors.AsType[*s3.Refusal](runErr); ok && refusal.Advice() != "" {
				advice = refusal.Advice() + ", then run the same command again"
			}
			if s.names != nil && p.Fetched == 0 && errors.Is(runErr, mirror.ErrOutage) {
				advice = "check that the files of the list are at " + s.filesURL + "NAME, see --get-path, then " + advice
			}
			if cache.NoRoom(runErr) {
				advice = "make room, then " + advice
			}
			if errors.Is(runErr, cache.ErrCorrupt) {
				advice = "and goes on after that"
			}
			runErr = fmt.Errorf("%w; the mirror of %s is not complete, %s", runErr, s.id, advice)
		}
		return runErr
	}
	if p.Failed > 0 {
		a.namesFailed(s.store)
		return fmt.Errorf("%w: %d of %d; list them with: motefs verify --store %s --list-failed", errFailedFiles, p.Failed, p.Files, s.store.Dir())
	}
	if !p.Complete() {
		return fmt.Errorf("the mirror of %s ended with files missing: %+v", s.id, p) // a bug, if ever
	}
	if n := s.twice(); n > 0 {
		printLine(a.stdout, "motefs: %s names stand in the list more than once, and once in the mirror", count(n))
	}
	text := "the mirror is complete"
	if before.Complete() {
		text += fmt.Sprintf(": listed on %s, and not looked at again; --refresh lists again", listedOn(p))
	}
	printLine(a.stdout, "motefs: %s", text)
	return nil
}

// listedOn is when the listing was walked last.
func listedOn(p cache.Progress) string {
	if p.ListedAt == 0 {
		return "a day that is not known"
	}
	return time.Unix(p.ListedAt, 0).Format("2006-01-02 15:04")
}

// summary is one line about what a store holds, and how fast it got there.
func summary(p, before cache.Progress, took time.Duration) string {
	text := fmt.Sprintf("%s listed, %s fetched (%s)", count(p.Files), count(p.Fetched), bytesText(float64(p.Bytes)))
	if p.Gone > 0 {
		text += fmt.Sprintf(", %s gone", count(p.Gone))
	}
	if p.Failed > 0 {
		text += fmt.Sprintf(", %s failed", count(p.Failed))
	}
	if p.Skipped > 0 {
		text += fmt.Sprintf(", %s names left out", count(p.Skipped))
	}
	if n := p.Fetched - before.Fetched; n > 0 && took > 0 {
		text += fmt.Sprintf("; %s now, in %s, %s files/s", count(n), took.Round(10*time.Millisecond), count(uint64(float64(n)/took.Seconds())))
	}
	return text
}

// failedShown is how many of the files that failed are named at the end.
const failedShown = 10

func (a *app) namesFailed(store *cache.Store) {
	shown := 0
	err := store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
		printLine(a.stderr, "motefs: failed after %d tries: %q: %s", f.Tries, f.Name, f.Reason)
		shown++
		return shown < failedShown
	})
	if err != nil {
		printLine(a.stderr, "motefs: the failed files cannot be listed: %v", err)
	}
}

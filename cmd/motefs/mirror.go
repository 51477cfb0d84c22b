package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/spf13/cobra"
)

func mirrorCommand(a *app) *cobra.Command {
	f := &mirrorFlags{sourceFlags: sourceFlags{outage: 2 * time.Minute}}
	cmd := &cobra.Command{
		Use:        "mirror [flags] ORIGIN",
		SuggestFor: []string{"sync", "copy", "clone", "download", "fetch"},
		Short:      "Mirror every file of an origin, then exit",
		Long: "Mirror every file of an origin into the store, then exit. A mirror that was\n" +
			"stopped, by Ctrl-C, a crash or an outage, goes on where it was when it is\n" +
			"started again with the same store.\n\n" +
			"A mirror that is complete is left as it is, unless --refresh has the origin be\n" +
			"looked at again.\n\n" +
			"With --segments the mirror goes into an object store, and with --cluster too any\n" +
			"number of machines make it together: give each the same command.",
		Example: "  motefs mirror http://127.0.0.1:8080\n  motefs mirror --refresh http://127.0.0.1:8080\n  motefs mirror --segments s3://bucket/mirror http://127.0.0.1:8080",
		Args:    operands,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.fitMirror(cmd, f, args[0]); err != nil {
				return err
			}
			if err := f.validate(cmd); err != nil {
				return err
			}
			if f.segments.url != "" {
				return a.mirrorSegments(cmd.Context(), f, args[0])
			}
			return a.mirror(cmd.Context(), f, args[0])
		},
	}
	f.register(cmd.Flags())
	f.refresh.register(cmd.Flags())
	f.monitor.register(cmd.Flags())
	f.monitor.registerTextfile(cmd.Flags())
	f.segments.register(cmd.Flags())
	f.cluster.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.retryFailed, "retry-failed", false, "ask for nothing but the files that failed before, also those that failed for good; see motefs failures")
	a.registerLogFile(cmd.Flags())
	a.output.registerProgress(cmd.Flags())
	a.output.registerJSON(cmd.Flags())
	return cmd
}

// mirrorFlags are the flags of mirror.
type mirrorFlags struct {
	sourceFlags
	refresh     refreshFlags
	monitor     monitorFlags
	segments    segmentsFlags
	cluster     clusterFlags
	retryFailed bool
}

func (f *mirrorFlags) validate(cmd *cobra.Command) error {
	if err := f.refresh.validate(); err != nil {
		return err
	}
	if err := f.monitor.validate(); err != nil {
		return err
	}
	if err := errors.Join(f.segments.validate(), f.cluster.validate(f.segments.url)); err != nil {
		return err
	}
	if f.retryFailed && f.refresh.asked() {
		return usagef("give either --retry-failed, or --refresh or --sample")
	}
	return f.sourceFlags.validate(cmd)
}

func (a *app) mirror(ctx context.Context, f *mirrorFlags, raw string) (err error) {
	id, dir, err := f.target(raw)
	if err != nil {
		return err
	}
	on, log, err := a.openScreen()
	if err != nil {
		return err
	}
	monitor, err := a.startMonitor(&f.monitor, log)
	if err != nil {
		return err
	}
	if err := monitor.writeTextfile(&f.monitor, id, dir, log); err != nil {
		return errors.Join(err, monitor.Close())
	}
	defer func() { err = errors.Join(err, monitor.ended(err), monitor.Close()) }()
	defer a.tellStopping(ctx, log)()
	a.doing("opening the store %s", dir)
	s, err := openSession(ctx, sessionOptions{command: "mirror", flags: &f.sourceFlags, id: id, as: f.as(raw), dir: dir, prefetch: true, monitor: monitor, doing: a.doing, log: log})
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
	if err := a.serves("mirroring " + id); err != nil {
		return err
	}
	defer a.notify.Start(s.statusLine, s.alive)()
	a.tell("mirroring %s into %s", id, s.where())
	monitor.begun()
	if f.refresh.asked() && s.store.ListingComplete() {
		err := a.mirrorRefresh(ctx, s, &f.refresh, on, log)
		a.summaryJSON(s, err)
		return err
	}
	start, before := time.Now(), s.store.Progress()
	s.status.begin()
	progress := a.startProgress(on, log, s.status.Source)
	work := s.run
	if f.retryFailed {
		work = s.retry
	}
	runErr := work(ctx)
	progress.Stop()
	s.status.ended(runErr, s.store.Progress())
	if f.retryFailed && runErr == nil {
		err = a.retryResult(s, before)
	} else {
		err = a.mirrorResult(s, runErr, before, time.Since(start))
	}
	a.summaryJSON(s, err)
	return err
}

// mirrorResult says how a mirror ended.
func (a *app) mirrorResult(s *session, runErr error, before cache.Progress, took time.Duration) error {
	p := s.store.Progress()
	a.tell("%s", summary(p, before, took))
	a.tellStore(s)
	if errors.Is(runErr, context.Canceled) {
		a.tell("the mirror is not complete, run the same command again to go on")
	}
	if runErr != nil {
		if !errors.Is(runErr, context.Canceled) {
			do := "run the same command again to go on"
			if _, first := s.advice().Of(runErr); first != "" && !mirror.Temporary(runErr) {
				do = first + ", then " + do
			}
			if s.names != nil && p.Fetched == 0 && errors.Is(runErr, mirror.ErrOutage) {
				do = "check that the files of the list are at " + s.filesURL + "NAME, see --get-path, then " + do
			}
			if cache.NoRoom(runErr) {
				do = "make room, then " + do
			}
			if errors.Is(runErr, cache.ErrCorrupt) {
				do = "and goes on after that"
			}
			runErr = fmt.Errorf("%w; the mirror of %s is not complete, %s", runErr, s.id, do)
		}
		return runErr
	}
	if err := a.failedFiles(s, p); err != nil {
		return err
	}
	if !p.Complete() {
		return fmt.Errorf("the mirror of %s ended with files missing: %+v", s.id, p) // a bug, if ever
	}
	if n := s.twice(); n > 0 {
		a.tell("%s names stand in the list more than once, and once in the mirror", count(n))
	}
	text := "the mirror is complete"
	if before.Complete() {
		text += fmt.Sprintf(": listed on %s, and not looked at again; --refresh lists again", listedOn(p))
	}
	a.tell("%s; use it with: %s", text, nextStep(s, nil))
	return nil
}

// listedOn is when the listing was walked last.
func listedOn(p cache.Progress) string {
	if p.ListedAt == 0 {
		return "a day that is not known"
	}
	return time.Unix(p.ListedAt, 0).Format("2006-01-02 15:04")
}

package main

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

func verifyCommand(a *app) *cobra.Command {
	var store string
	var reclaim, repair bool
	cmd := &cobra.Command{
		Use:        "verify [flags] [ORIGIN]",
		SuggestFor: []string{"check", "fsck", "repair"},
		Short:      "Check that a store is sound, or mend it",
		Long: "Read the whole store and check it against itself: every checksum, names,\n" +
			"entries, numbers, the checkpoint and the counts. Nothing is written, and\n" +
			"memory stays constant. With ORIGIN, also that the store is that origin's; then\n" +
			"--store may be left out. With --repair, what is damaged is dropped, and the\n" +
			"next mirror fetches it again.",
		Example: "  motefs verify http://127.0.0.1:8080\n  motefs verify --store /srv/store --repair",
		Args:    operands,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := wording.OneOf(cmd, "reclaim", "repair"); err != nil {
				return usageError{err}
			}
			f := &sourceFlags{store: store}
			id := ""
			if len(args) == 1 {
				var err error
				if id, err = parseIdentity(args[0]); err != nil {
					return err
				}
			} else if store == "" {
				return usagef("give --store DIR, or the ORIGIN whose store it is")
			}
			dir, err := f.storeDir(id)
			if err != nil {
				return err
			}
			if err := a.openLog(); err != nil {
				return err
			}
			check := func(dir, id string) error {
				if repair {
					return a.repair(cmd.Context(), dir, id)
				}
				return a.verify(cmd.Context(), dir, id, reclaim)
			}
			err = check(dir, id)
			// A mount of a mirror in segments has a store in it.
			if side := filepath.Join(dir, unlistedDir); hasStore(side) {
				err = errors.Join(err, check(side, ""))
			}
			return err
		},
	}
	a.registerLogFile(cmd.Flags())
	cmd.Flags().StringVar(&store, "store", "", "`directory` of the store")
	cmd.Flags().BoolVar(&reclaim, "reclaim", false, "of a store that is sound, remove the blob files that belong to no entry")
	cmd.Flags().BoolVar(&repair, "repair", false, "drop what is damaged, so that the next mirror fetches it again")
	return cmd
}

// hasStore reports whether there is a store at dir, or what may be one.
func hasStore(dir string) bool {
	if _, err := os.Stat(dir); errors.Is(err, iofs.ErrNotExist) {
		return false
	}
	there, err := cache.Inspect(dir, "")
	return there || err != nil
}

// problemsShown bounds the problems that are printed; all are counted.
const problemsShown = 100

func (a *app) verify(ctx context.Context, dir, id string, reclaim bool) (err error) {
	log, err := a.logger(a.console)
	if err != nil {
		return err
	}
	store, held, err := openToVerify(dir, reclaim, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if held == nil {
		says := serveStatus(status.Options{Command: "verify", Version: version(), Store: store}, log)
		defer func() { err = errors.Join(says.Close(), err) }()
		says.Set(status.Verifying)
	}
	if id != "" && store.Origin() != id {
		return &storeError{fmt.Sprintf("store %s holds the files of another origin, %s, and not of %s", dir, store.Origin(), id)}
	}
	p := store.Progress()
	printLine(a.stdout, "store %s of %s: %s, %s", dir, store.Origin(), summary(p, p, 0), completeness(p))
	report, err := store.Verify(ctx, a.problems())
	if err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	a.report(report)
	if report.Problems > 0 && held != nil {
		return fmt.Errorf("%s may be none, as the store is written to meanwhile: %w", counted(report.Problems, "problem"), held)
	}
	if report.Problems > 0 {
		return fmt.Errorf("%w: %s; mend it with: motefs verify --store %s --repair", errProblems, counted(report.Problems, "problem"), dir)
	}
	if p.Files == 0 && !p.ListingComplete {
		printLine(a.stdout, "the store is sound, and empty: nothing of its origin has come yet")
	} else {
		printLine(a.stdout, "the store is sound")
	}
	if held != nil {
		printLine(a.stdout, "note: a process holds it; what that wrote until the check began, but for the last seconds, was read")
	}
	if !reclaim {
		return nil
	}
	files, bytes, err := store.Reclaim(ctx)
	printLine(a.stdout, "removed %s blob files (%s) that belonged to no entry", count(files), bytesText(float64(bytes)))
	if err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	return nil
}

// openToVerify opens a store to be read. Where a process holds it, held says so, and what is
// read is what that wrote last; only what is sound can be told for certain then.
func openToVerify(dir string, reclaim bool, log zerolog.Logger) (store *cache.Store, held, err error) {
	o := limited(cache.Options{Dir: dir, ReadOnly: !reclaim, Holder: holder(), FlushEvery: -1, Log: log})
	store, err = cache.Open(o)
	if reclaim || !errors.Is(err, cache.ErrInUse) {
		return store, nil, err
	}
	held, o.Beside, o.Log = err, true, zerolog.Nop() // what it would call damage may have been put elsewhere
	if store, err = cache.Open(o); err != nil {
		return nil, nil, held
	}
	return store, held, nil
}

// problems prints the first problems that it is told.
func (a *app) problems() func(problem string) {
	told := 0
	return func(problem string) {
		if told++; told <= problemsShown {
			printLine(a.stdout, "problem: %s", problem)
		}
	}
}

func (a *app) report(report cache.Report) {
	printLine(a.stdout, "read %s entries, %s runs of names, %s blob files, %s of content",
		count(report.Entries), count(report.Runs), count(report.Blobs), bytesText(float64(report.Bytes)))
	if report.Unreferenced > 0 {
		printLine(a.stdout, "note: %s blob files (%s) belong to no entry, which a crash can leave; they do no harm; --reclaim removes those that motefs wrote",
			count(report.Unreferenced), bytesText(float64(report.UnreferencedBytes)))
	}
}

func (a *app) repair(ctx context.Context, dir, id string) error {
	log, err := a.logger(a.console)
	if err != nil {
		return err
	}
	done, err := cache.Repair(ctx, limited(cache.Options{Dir: dir, Origin: id, Holder: holder(), Log: log}), a.problems())
	if err != nil {
		return err
	}
	a.report(done.Report)
	switch {
	case done.Problems == 0:
		printLine(a.stdout, "the store is sound; nothing was changed")
		return nil
	case done.Relist:
		printLine(a.stdout, "names may be lost: the next mirror lists from the beginning, and keeps what is here")
	}
	printLine(a.stdout, "the store is sound again; %s files are to be fetched again: run motefs mirror", count(done.Pending))
	return nil
}

func completeness(p cache.Progress) string {
	switch {
	case p.Complete():
		return "complete"
	case p.ListingComplete:
		return "every name is listed"
	}
	return "the listing is not complete"
}

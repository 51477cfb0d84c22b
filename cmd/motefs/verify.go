package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/motefs/motefs/cache"
	"github.com/spf13/cobra"
)

func verifyCommand(a *app) *cobra.Command {
	var store string
	var listFailed, repair bool
	cmd := &cobra.Command{
		Use:   "verify --store DIR [ORIGIN]",
		Short: "Check that a store is sound, or mend it",
		Long: "Read the whole store and check it against itself: every checksum, names, entries,\n" +
			"numbers, the checkpoint and the counts. Nothing is written, and memory stays\n" +
			"constant. With ORIGIN, also that the store is that origin's; then --store may be\n" +
			"left out. With --repair, what is damaged is dropped, and the next mirror fetches it\n" +
			"again.",
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			f := &sourceFlags{store: store}
			id := ""
			if len(args) == 1 {
				var err error
				if id, err = originID(args[0]); err != nil {
					return err
				}
			} else if store == "" {
				return usagef("verify: give --store, or the origin whose store it is")
			}
			dir, err := f.storeDir(id)
			if err != nil {
				return err
			}
			if listFailed && repair {
				return usagef("verify: give --list-failed or --repair, not both")
			}
			if repair {
				return a.repair(cmd.Context(), dir, id)
			}
			return a.verify(cmd.Context(), dir, id, listFailed)
		},
	}
	cmd.Flags().StringVar(&store, "store", "", "`directory` of the store")
	cmd.Flags().BoolVar(&listFailed, "list-failed", false, "only list the files that could not be fetched, and why")
	cmd.Flags().BoolVar(&repair, "repair", false, "drop what is damaged, so that the next mirror fetches it again")
	return cmd
}

// problemsShown bounds the problems that are printed; all are counted.
const problemsShown = 100

func (a *app) verify(ctx context.Context, dir, id string, listFailed bool) (err error) {
	log, err := a.logger(a.stderr)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%w: there is no store at %s", cache.ErrFormat, dir)
	}
	store, err := cache.Open(cache.Options{Dir: dir, Holder: holder(), ReadOnly: true, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if id != "" && store.Origin() != id {
		return fmt.Errorf("%w: %s holds the files of %s, not of %s", cache.ErrOrigin, dir, store.Origin(), id)
	}
	if listFailed {
		return a.listFailed(ctx, store)
	}
	p := store.Progress()
	fmt.Fprintf(a.stdout, "store %s of %s: %s, %s\n", dir, store.Origin(), summary(p, p, 0), completeness(p))
	report, err := store.Verify(ctx, a.problems())
	if err != nil {
		return fmt.Errorf("verify %s: %w", dir, err)
	}
	a.report(report)
	if report.Problems > 0 {
		return fmt.Errorf("%w: %d problems; mend them with: motefs verify --store %s --repair", errProblems, report.Problems, dir)
	}
	fmt.Fprintln(a.stdout, "the store is sound")
	return nil
}

// problems prints the first problems that it is told.
func (a *app) problems() func(problem string) {
	told := 0
	return func(problem string) {
		if told++; told <= problemsShown {
			fmt.Fprintf(a.stdout, "problem: %s\n", problem)
		}
	}
}

func (a *app) report(report cache.Report) {
	fmt.Fprintf(a.stdout, "read %s entries, %s runs of names, %s blob files, %s of content\n",
		count(report.Entries), count(report.Runs), count(report.Blobs), bytesText(float64(report.Bytes)))
	if report.Unreferenced > 0 {
		fmt.Fprintf(a.stdout, "note: %s blob files (%s) belong to no entry, which a crash can leave; they do no harm\n",
			count(report.Unreferenced), bytesText(float64(report.UnreferencedBytes)))
	}
}

func (a *app) repair(ctx context.Context, dir, id string) error {
	log, err := a.logger(a.stderr)
	if err != nil {
		return err
	}
	done, err := cache.Repair(ctx, cache.Options{Dir: dir, Origin: id, Holder: holder(), Log: log}, a.problems())
	if err != nil {
		return err
	}
	a.report(done.Report)
	switch {
	case done.Problems == 0:
		fmt.Fprintln(a.stdout, "the store is sound; nothing was changed")
		return nil
	case done.Relist:
		fmt.Fprintln(a.stdout, "names may be lost: the next mirror lists from the beginning, and keeps what is here")
	}
	fmt.Fprintf(a.stdout, "the store is sound again; %s files are to be fetched again: run motefs mirror\n", count(done.Pending))
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

func (a *app) listFailed(ctx context.Context, store *cache.Store) error {
	var writeErr error
	err := store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
		_, writeErr = fmt.Fprintf(a.stdout, "%q\t%d tries\t%s\n", f.Name, f.Tries, f.Reason)
		return writeErr == nil && ctx.Err() == nil
	})
	return errors.Join(err, writeErr, ctx.Err())
}

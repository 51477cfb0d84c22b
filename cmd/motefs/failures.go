package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/spf13/cobra"
)

func failuresCommand(a *app) *cobra.Command {
	f := &storeFlag{}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "failures [flags] [MOUNTPOINT | ORIGIN]",
		Short: "List the files that could not be fetched, and why",
		Long: "List the files that could not be fetched, one a line: the name, how often it was tried,\n" +
			"and why it did not come. Of a store that is in use the process is asked that holds it.\n" +
			"Try them again with: motefs mirror --retry-failed ORIGIN",
		Example: "  motefs failures http://127.0.0.1:8080\n  motefs failures --json --store DIR",
		Args:    operands,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := f.locate(args, a.settings.Place(cmd, "store"))
			if err != nil {
				return err
			}
			if dir == "" {
				return usagef("failures: give --store, a mountpoint or an origin")
			}
			return a.failures(cmd.Context(), dir, asJSON, askPatience)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON objects, one a line; their fields are documented and stay")
	return cmd
}

// failures lists the files of a store that could not be fetched. A process that is asked
// may take patience for each page of them.
func (a *app) failures(ctx context.Context, dir string, asJSON bool, patience time.Duration) error {
	pages, end, err := failurePages(ctx, dir, patience)
	if err != nil {
		return err
	}
	for from := uint64(0); ; {
		asking, cancel := context.WithTimeout(ctx, patience)
		page, err := pages(asking, from)
		cancel()
		if err != nil {
			return errors.Join(notAnswered(dir, err), end())
		}
		for i := range page.Failures {
			if err := a.showFailure(&page.Failures[i], asJSON); err != nil {
				return errors.Join(err, end())
			}
		}
		if page.Next == nil || ctx.Err() != nil {
			return errors.Join(ctx.Err(), end())
		}
		from = *page.Next
	}
}

func (a *app) showFailure(f *status.Failure, asJSON bool) error {
	line := ""
	if asJSON {
		text, err := json.Marshal(f)
		if err != nil {
			return err
		}
		line = oneLine(string(text))
	} else {
		name := f.Name
		if f.NameBytes != nil {
			name = string(f.NameBytes)
		}
		line = fmt.Sprintf("%s\t%d tries\t%s", oneLine(strconv.Quote(name)), f.Tries, oneLine(f.Reason))
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}

// failurePages returns what gives the failures of a store page by page: the process that
// holds it, or the store itself where none does.
func failurePages(ctx context.Context, dir string, patience time.Duration) (pages failurePager, end func() error, err error) {
	for again := 0; ; again++ {
		asking, cancel := context.WithTimeout(ctx, patience)
		conn, err := status.Dial(asking, dir)
		cancel()
		if err == nil {
			conn.Close()
			client := status.NewClient(dir)
			return client.Failures, client.Close, nil
		}
		if !errors.Is(err, status.ErrNotRunning) {
			return nil, nil, notAnswered(dir, err)
		}
		store, err := cache.Open(cache.Options{Dir: dir, Beside: true, FlushEvery: -1})
		if err == nil {
			source := status.New(status.Options{Store: store})
			return func(_ context.Context, from uint64) (status.FailuresPage, error) { return source.Failures(from) },
				func() error { return errors.Join(source.Close(), store.Close()) }, nil
		}
		if held := heldMeanwhile(dir, err); again > 0 || !errors.Is(held, cache.ErrInUse) {
			return nil, nil, held
		}
		// Who has just begun writes to what was read.
	}
}

// failurePager returns the page of failures that begins with an inode.
type failurePager func(ctx context.Context, from uint64) (status.FailuresPage, error)

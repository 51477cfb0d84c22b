package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/stores"
	"github.com/motefs/motefs/cmd/motefs/internal/text"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func storesCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stores",
		Short: "List the stores in the default place, or remove some",
		Long: "List the stores of this user in the default place, with what they hold and what they\n" +
			"take of the disk; of root also those of mount.motefs and the units, which are in\n" +
			stores.System + ". Stores that --store put elsewhere are not known.",
		Example: "  motefs stores\n  motefs stores remove http://127.0.0.1:8080",
		Args:    operands,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.stores(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON objects, one a line, as motefs status does")
	cmd.AddCommand(storesRemoveCommand(a))
	return cmd
}

func storesRemoveCommand(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove [flags] ORIGIN | DIR...",
		Short: "Remove stores with all that they hold",
		Long: "Remove stores with all that they hold. One that a process holds is refused, and so is a\n" +
			"directory that is no store. What else is in the directory stays.",
		Example: "  motefs stores remove http://127.0.0.1:8080",
		Args:    operands,
		RunE: func(cmd *cobra.Command, args []string) error {
			var errs []error
			for _, arg := range args {
				errs = append(errs, a.removeStore(cmd.Context(), arg, yes))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// stores lists the stores below the roots.
func (a *app) stores(ctx context.Context, asJSON bool) error {
	roots, err := storeRoots()
	if err != nil {
		return err
	}
	all, err := stores.Below(roots...)
	if err != nil {
		return err
	}
	columns, total, atLeast := screen.New(a.rawStdout).Columns()-1, uint64(0), ""
	for _, s := range all {
		st := a.storeStatus(ctx, s, func(of *status.Source) status.Status { return of.Whole(ctx) })
		if st.DiskBytes != nil {
			total += *st.DiskBytes
		} else {
			atLeast = "at least "
		}
		if asJSON {
			line, err := json.Marshal(st)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.stdout, oneLine(string(line)))
			continue
		}
		for _, line := range st.Brief(columns) {
			fmt.Fprintln(a.stdout, line)
		}
	}
	if !asJSON {
		for _, line := range text.Wrap([]string{storesText(len(all)) + " in " + oneLine(strings.Join(roots, " and ")), atLeast + bytesText(float64(total)) + " on the disk"}, columns) {
			fmt.Fprintln(a.stdout, line)
		}
	}
	return ctx.Err()
}

func storesText(n int) string {
	switch n {
	case 0:
		return "no stores"
	case 1:
		return "1 store"
	}
	return count(uint64(n)) + " stores"
}

// storeStatus is what is known of a store, which may be that it cannot be read; rest reads one
// at rest.
func (a *app) storeStatus(ctx context.Context, s stores.Store, rest func(*status.Source) status.Status) status.Status {
	err := s.Err
	if err == nil {
		client := status.NewClient(s.Dir)
		got, asking := a.askStore(ctx, client, s.Dir, rest)
		if err = errors.Join(asking, client.Close()); err == nil {
			return got.Status
		}
	}
	return status.Unread(s.Dir, s.Origin, version(), err)
}

// removeStore removes the store that arg names.
func (a *app) removeStore(ctx context.Context, arg string, yes bool) error {
	dir, err := storeNamed(arg)
	if err != nil {
		return err
	}
	origin, err := cache.OriginOf(dir)
	if err != nil {
		return err
	}
	st := a.storeStatus(ctx, stores.Store{Dir: dir, Origin: origin}, (*status.Source).Status)
	if st.PID != nil || st.State == status.InUse {
		return fmt.Errorf("%w: %s is held by %s; stop it first", cache.ErrInUse, dir, st.HolderText())
	}
	if !yes {
		if ok, err := a.confirm(fmt.Sprintf("remove the store of %s with %s files (%s) in %s?", origin, count(st.Fetched), bytesText(float64(st.ContentBytes)), dir)); err != nil || !ok {
			return err
		}
	}
	left, err := cache.Remove(dir)
	if err != nil {
		return err
	}
	a.tell("removed the store of %s in %s", origin, dir)
	if len(left) > 0 {
		a.warn("%s stays, as others' files are in it: %s", dir, text.Cut(fmt.Sprintf("%q", left), 200))
	}
	return nil
}

// storeNamed is the directory of a store that is given as a path, an origin, or by the name
// that it has below a root.
func storeNamed(arg string) (string, error) {
	if strings.Contains(arg, "://") {
		return storeOfOrigin(arg)
	}
	if !stores.Is(arg) && !strings.ContainsRune(arg, filepath.Separator) {
		roots, err := storeRoots()
		if err != nil {
			return "", err
		}
		var found []string
		for _, root := range roots {
			if below := filepath.Join(root, arg); stores.Is(below) {
				found = append(found, below)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", usagef("there are several stores of that name, give one of %s", strings.Join(found, ", "))
		}
	}
	return filepath.Abs(arg)
}

// confirm asks on the terminal.
func (a *app) confirm(question string) (bool, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return false, usagef("there is no terminal to ask whether to %s give --yes", oneLine(question))
	}
	fmt.Fprintf(a.stderr, "motefs: %s [y/N] ", oneLine(question))
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return false, fmt.Errorf("no answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	a.tell("nothing was removed")
	return false, nil
}

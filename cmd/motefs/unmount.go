package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/presence"
	"github.com/motefs/motefs/fs"
	"github.com/spf13/cobra"
)

// unmountWait is how long an unmount waits until the process that served the mount has
// closed its store and ended.
const unmountWait = time.Minute

func unmountCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "unmount [flags] MOUNTPOINT",
		Short: "Unmount a directory that motefs mounted",
		Long: "Unmount a directory that motefs mounted, and wait until the process that served\n" +
			"it has closed its store and ended: the next one can use that at once.",
		Example: "  motefs unmount /mnt/files",
		Args:    operands,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.unmount(cmd.Context(), args[0]) },
	}
}

func (a *app) unmount(ctx context.Context, dir string) error {
	device, uid, err := fs.Device(dir)
	if err != nil {
		return err
	}
	var serving []*presence.Process
	if device != "" {
		if serving, err = presence.Find(device, uid); err != nil {
			return err
		}
	}
	defer func() {
		for _, p := range serving {
			p.Close()
		}
	}()
	if err := fs.Unmount(dir); err != nil {
		return err
	}
	if len(serving) == 0 {
		return nil
	}
	switch other, err := fs.Elsewhere(device); {
	case err != nil:
		return err
	case other != "":
		printLine(a.stderr, "motefs: unmounted %s, and it is still mounted at %s: it is served there until that is unmounted too", dir, other)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, unmountWait)
	defer cancel()
	for _, p := range serving {
		switch err := p.Wait(ctx); {
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("%s is unmounted, and the process that served it (%d) has not ended after %v: it still closes its store, or another mount namespace has the mount", dir, p.PID, unmountWait)
		case err != nil:
			return err
		}
	}
	return nil
}

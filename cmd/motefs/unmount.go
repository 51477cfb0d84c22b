package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/motefs/motefs/fs"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func unmountCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unmount MOUNTPOINT",
		Short: "Unmount a directory that motefs mounted",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return unmountDir(cmd.Context(), args[0])
		},
	}
}

func unmountDir(ctx context.Context, dir string) error {
	direct := unix.Unmount(dir, 0)
	if direct == nil {
		return nil
	}
	if errors.Is(direct, unix.EPERM) { // not root: the setuid helper may
		out, err := exec.CommandContext(ctx, "fusermount3", "-u", dir).CombinedOutput()
		if err == nil {
			return nil
		}
		direct = fmt.Errorf("fusermount3: %s: %w", strings.TrimSpace(string(out)), err)
	}
	switch {
	case errors.Is(direct, unix.EBUSY):
		return fmt.Errorf("%w: %s is in use: leave it in every shell and close its files, then try again", fs.ErrMountpoint, dir)
	case errors.Is(direct, unix.EINVAL):
		return fmt.Errorf("%w: nothing is mounted at %s", fs.ErrMountpoint, dir)
	}
	return fmt.Errorf("%w: unmount %s: %w", fs.ErrMountpoint, dir, direct)
}

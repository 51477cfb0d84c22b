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
		if direct = unmountByHelper(ctx, dir); direct == nil {
			return nil
		}
	}
	switch {
	case errors.Is(direct, unix.EBUSY):
		return fmt.Errorf("%w: %s is in use: leave it in every shell and close its files, then try again", fs.ErrMountpoint, dir)
	case errors.Is(direct, unix.EINVAL):
		return fmt.Errorf("%w: nothing is mounted at %s", fs.ErrMountpoint, dir)
	}
	return fmt.Errorf("%w: unmount %s: %w", fs.ErrMountpoint, dir, direct)
}

// unmountByHelper unmounts by fusermount3, which tells what is wrong by its words
// alone; it does not translate them.
func unmountByHelper(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "fusermount3", "-u", "--", dir).CombinedOutput()
	text := strings.TrimSpace(string(out))
	switch {
	case err == nil:
		return nil
	case strings.HasSuffix(text, "Device or resource busy"):
		err = unix.EBUSY
	case strings.Contains(text, "not found in"): // /etc/mtab
		err = unix.EINVAL
	}
	return fmt.Errorf("fusermount3: %s: %w", text, err)
}

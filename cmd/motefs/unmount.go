package main

import (
	"github.com/motefs/motefs/fs"
	"github.com/spf13/cobra"
)

func unmountCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "unmount MOUNTPOINT",
		Short:   "Unmount a directory that motefs mounted",
		Example: "  motefs unmount /mnt/files",
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE:    func(_ *cobra.Command, args []string) error { return fs.Unmount(args[0]) },
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/motefs/motefs/cmd/motefs/internal/mountopts"
	"github.com/motefs/motefs/cmd/motefs/internal/stores"
	"github.com/motefs/motefs/fs"
)

// helperNames are the names under which mount(8) finds the program, as the helper for
// the type motefs and for fuse.motefs, which the kernel's table shows.
var helperNames = []string{"mount.motefs", "mount.fuse.motefs"}

// helper is what mount(8) asks of a mount helper.
type helper struct {
	mountopts.Call
	name string
}

// called runs the command line that args say, of which the first is the program's name.
func (a *app) called(ctx context.Context, args []string) error {
	for _, name := range helperNames {
		if len(args) > 0 && filepath.Base(args[0]) == name {
			return a.runHelper(ctx, name, args[1:])
		}
	}
	return a.run(ctx, args[1:])
}

// runHelper mounts as mount(8) wants it.
func (a *app) runHelper(ctx context.Context, name string, args []string) error {
	a.helper = &helper{name: name}
	call, err := mountopts.Parse(args)
	if err != nil {
		return usagef("%w", err)
	}
	a.helper.Call = call
	flags := mountCommand(a).Flags()
	a.registerLog(flags)
	mount, files, err := call.Args(flags)
	if err != nil {
		return usagef("%w", err)
	}
	for _, file := range files {
		if err := mountopts.ReadEnv(file, os.Setenv); err != nil {
			return usagef("%w", err)
		}
	}
	return a.run(ctx, append([]string{"mount", "--daemon"}, mount...))
}

// storeBase is the directory in which a store for each origin is made.
func (a *app) storeBase() string {
	if a.helper != nil && os.Geteuid() == 0 {
		return stores.System
	}
	return ""
}

// fsName is what the tables of mounts show. mount -a and systemd compare it with what
// stands in fstab, letter by letter, to see what is mounted already.
func (a *app) fsName(id string) string {
	if a.helper != nil {
		return a.helper.Source
	}
	return id
}

// The exit statuses of mount(8), under "Exit status".
const (
	mountUsage       = 1 // or permissions
	mountSystem      = 2
	mountInterrupted = 8
	mountFailed      = 32
)

// mountStatus is an exit status as mount(8) has them.
func mountStatus(status int, err error) int {
	switch {
	case status == exitOK:
		return exitOK
	case status == exitUsage, errors.Is(err, os.ErrPermission):
		return mountUsage
	case status == exitInterrupted:
		return mountInterrupted
	case errors.Is(err, fs.ErrNoFUSE):
		return mountSystem
	}
	return mountFailed
}

// report prints err, on one line, as a mount helper does.
func (h *helper) report(w io.Writer, err error) int {
	var line strings.Builder
	status := mountStatus(report(&line, err), err)
	text, _, _ := strings.Cut(strings.TrimSpace(line.String()), " (see motefs")
	if text != "" {
		fmt.Fprintf(w, "%s: %s\n", h.name, strings.TrimPrefix(text, "motefs: "))
	}
	return status
}

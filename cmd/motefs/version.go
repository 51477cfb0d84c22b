package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// release is the version that make install and make packages give a build.
var release = ""

// noRelease begins the version that Go makes of a commit without a tag.
const noRelease = "v0.0.0-"

// version is, without that, the module's version where the program was installed by it.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" && !strings.HasPrefix(info.Main.Version, noRelease) {
		return info.Main.Version
	}
	return "0.1.0-dev"
}

// built is the commit that a program was built from and the day of it, as far as the
// build says so: "" in a build without version control.
func built(info *debug.BuildInfo) string {
	said := map[string]string{}
	for _, s := range info.Settings {
		said[s.Key] = s.Value
	}
	commit := said["vcs.revision"]
	if commit == "" {
		return ""
	}
	text := " (commit " + commit[:min(len(commit), 12)]
	if day, _, ok := strings.Cut(said["vcs.time"], "T"); ok {
		text += ", " + day
	}
	if said["vcs.modified"] == "true" {
		text += ", with changes"
	}
	return text + ")"
}

// printVersion is what motefs version and motefs --version print.
func (a *app) printVersion() error {
	from := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		from = built(info)
	}
	_, err := fmt.Fprintf(a.stdout, "motefs %s%s %s/%s %s\n", version(), from, runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version [flags]",
		Short: "Print the version",
		Args:  operands,
		RunE:  func(*cobra.Command, []string) error { return a.printVersion() },
	}
}

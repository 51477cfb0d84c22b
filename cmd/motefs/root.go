package main

import (
	"context"
	"io"
	"strings"
	"sync"

	"github.com/motefs/motefs/fs"
	"github.com/spf13/cobra"
)

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer // plain
	rawStdout      io.Writer // standard output itself, for what is shown on a terminal
	console        io.Writer // standard error itself, for the log and the live line
	logLevel       string
	logFormat      string
	quiet          bool
	output         outputFlags

	// mu is held while a mount is made.
	mu struct {
		sync.Mutex
		mount     *fs.Mount // nil: there is none
		abandoned bool
	}
}

func newApp(stdout, stderr io.Writer) *app {
	return &app{stdout: plainWriter{stdout}, stderr: plainWriter{stderr}, console: stderr, rawStdout: stdout}
}

// run executes the command line. Its error becomes the exit status.
func (a *app) run(ctx context.Context, args []string) error {
	root := &cobra.Command{
		Use:   "motefs",
		Short: "Mirror a service of very many small files, and mount it",
		Long: "motefs mirrors a remote HTTP service of up to a billion small files into a local\n" +
			"store, and mounts that store as a read-only filesystem. What is mirrored is\n" +
			"served at once; what is missing is fetched when it is read.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return nil
			case strings.ContainsAny(args[0], ":@"): // a URL, perhaps with a password
				return usagef("unknown command; a URL comes after mount or mirror")
			}
			return usagef("unknown command %q", args[0])
		},
	}
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		// Of "unknown shorthand flag: 'H' in -HAuthorization: …" the end may be a secret.
		text, _, _ := strings.Cut(err.Error(), " in -")
		return usagef("%s", text)
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&a.logLevel, "log-level", "info", "what to log: debug, info, warn or error")
	flags.StringVar(&a.logFormat, "log-format", "console", "how to log: console or json")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print warnings and errors alone, and what a command is asked for")
	root.AddCommand(mountCommand(a), mirrorCommand(a), statusCommand(a), failuresCommand(a), storesCommand(a), serveCommand(a), verifyCommand(a),
		unmountCommand(), demoCommand(a), versionCommand(a))
	root.RunE = func(cmd *cobra.Command, args []string) error { return cmd.Help() }
	return root.ExecuteContext(ctx)
}

// usageArgs makes a mistake in the arguments a mistake in the command.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%s: %w", cmd.Name(), err)
		}
		return nil
	}
}

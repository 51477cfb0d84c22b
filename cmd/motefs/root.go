package main

import (
	"context"
	"io"
	"strings"
	"sync"

	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/motefs/motefs/cmd/motefs/internal/daemon"
	"github.com/motefs/motefs/cmd/motefs/internal/journal"
	"github.com/motefs/motefs/cmd/motefs/internal/notify"
	"github.com/motefs/motefs/fs"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer // plain
	console        io.Writer // standard error itself, for the log and the live line
	logLevel       string
	logFormat      string
	configFile     string
	settings       *config.Settings // nil for commands that have none
	logFile        string
	journal        *journal.Writer // the system's log; nil: there is no need of it
	child          *daemon.Child   // nil: this process is no daemon
	helper         *helper         // nil: this is not a mount helper
	notify         *notify.Manager

	// mu is held while a mount is made.
	mu struct {
		sync.Mutex
		mount     *fs.Mount // nil: there is none
		abandoned bool
	}
}

func newApp(stdout, stderr io.Writer) *app {
	return &app{stdout: plainWriter{stdout}, stderr: plainWriter{stderr}, console: stderr}
}

// run executes the command line. Its error becomes the exit status.
func (a *app) run(ctx context.Context, args []string) error {
	root := a.rootCommand()
	root.SetArgs(args)
	return a.withSources(root.ExecuteContext(ctx))
}

// rootCommand has all commands.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "motefs",
		Short: "Mirror a service of very many small files, and mount it",
		Long: "motefs mirrors a remote HTTP service of up to a billion small files into a local\n" +
			"store, and mounts that store as a read-only filesystem. What is mirrored is\n" +
			"served at once; what is missing is fetched when it is read.",
		SilenceErrors: true,
		SilenceUsage:  true,

		PersistentPreRunE: a.configure,
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
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		// Of "unknown shorthand flag: 'H' in -HAuthorization: …" the end may be a secret.
		text, _, _ := strings.Cut(err.Error(), " in -")
		return usagef("%s", text)
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	a.registerLog(root.PersistentFlags())
	root.AddCommand(mountCommand(a), mirrorCommand(a), serveCommand(a), verifyCommand(a),
		unmountCommand(a), demoCommand(a), configCommand(a), versionCommand(a))
	root.RunE = func(cmd *cobra.Command, args []string) error { return cmd.Help() }
	for _, make := range buildCommands {
		root.AddCommand(make(a))
	}
	return root
}

// buildCommands are for building motefs, in builds of their own: see man.go.
var buildCommands []func(*app) *cobra.Command

// registerLog adds the flags of every command.
func (a *app) registerLog(flags *pflag.FlagSet) {
	flags.StringVar(&a.logLevel, "log-level", "info", "what to log: debug, info, warn or error")
	flags.StringVar(&a.logFormat, "log-format", "console", "how to log: console or json")
	flags.StringVar(&a.logFile, "log-file", "", "`file` that the log is added to (default standard error; of a daemon, the journal or syslog)")
	flags.StringVar(&a.configFile, config.FileFlag, "", "configuration `file`, in the place of /etc/motefs/config.yaml and the user's; /dev/null: none")
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

package main

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/motefs/motefs/cmd/motefs/internal/daemon"
	"github.com/motefs/motefs/cmd/motefs/internal/journal"
	"github.com/motefs/motefs/cmd/motefs/internal/notify"
	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/motefs/motefs/fs"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer // plain
	rawStdout      io.Writer // standard output itself, for what is shown on a terminal
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
	quiet          bool
	output         outputFlags

	// mu is held while a mount is made or taken away.
	mu struct {
		sync.Mutex
		mount     *fs.Mount // nil: there is none
		abandoned bool
		insist    chan struct{} // see patient
	}
}

func newApp(stdout, stderr io.Writer) *app {
	return &app{stdout: plainWriter{stdout}, stderr: plainWriter{stderr}, console: stderr, rawStdout: stdout}
}

// run executes the command line. Its error becomes the exit status.
func (a *app) run(ctx context.Context, args []string) error {
	root := a.rootCommand()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	err = a.withSources(err)
	if _, ok := errors.AsType[usageError](err); ok {
		err = helpError{err, cmd.CommandPath()}
	}
	return err
}

// rootCommand has all commands.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "motefs [flags] COMMAND",
		Short: "Mirror a service of very many small files, and mount it",
		Long: "motefs mirrors a remote HTTP service of up to a billion small files into a\n" +
			"local store, and mounts that store as a read-only filesystem. What is mirrored\n" +
			"is served at once; what is missing is fetched when it is read.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.configure,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usageError{wording.UnknownCommand(cmd, args[0])}
		},
		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{wording.FlagError(cmd, err)}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	a.registerLog(root.PersistentFlags())
	root.AddCommand(mountCommand(a), mirrorCommand(a), statusCommand(a), failuresCommand(a), storesCommand(a), serveCommand(a), verifyCommand(a),
		unmountCommand(a), demoCommand(a), configCommand(a), versionCommand(a))
	root.SetHelpCommand(helpCommand())
	root.SetUsageFunc(usageOf)
	showVersion := root.Flags().Bool("version", false, "print the version, with commit and date")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *showVersion {
			return a.printVersion()
		}
		return cmd.Help()
	}
	for _, make := range buildCommands {
		root.AddCommand(make(a))
	}
	return root
}

// buildCommands are for building motefs, in builds of their own: see man.go.
var buildCommands []func(*app) *cobra.Command

// registerLog adds the flags of every command.
func (a *app) registerLog(flags *pflag.FlagSet) {
	flags.StringVar(&a.logLevel, "log-level", "info", "the least to log: `debug|info|warn|error`")
	flags.StringVar(&a.logFormat, "log-format", "console", "how to log: `console|json`")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print warnings and errors alone, and what a command is asked for")
	flags.StringVar(&a.configFile, config.FileFlag, "", "configuration `file`, in the place of /etc/motefs/config.yaml and the user's; /dev/null: none")
}

// registerLogFile adds the flag of the commands that log what they do.
func (a *app) registerLogFile(flags *pflag.FlagSet) {
	flags.StringVar(&a.logFile, "log-file", "", "`file` that the log is added to (default standard error; of a daemon, the journal or syslog)")
}

// atMost checks that there are no more operands than n; the command says itself what is missing.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return operands(cmd, args)
	}
}

// operands checks how many operands a command is given.
func operands(cmd *cobra.Command, args []string) error {
	if err := wording.Operands(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

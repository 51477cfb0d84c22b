package main

import (
	"os"

	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/spf13/cobra"
)

// secretFlags are those whose values are shown to nobody.
var secretFlags = []string{"header", "token", "access-key", "secret-key"}

// urlFlags are those whose values may have a secret where URLs have one.
var urlFlags = []string{"list-path", "get-path", "endpoint-url", "origin", "segments", "segments-endpoint-url", "cluster"}

// configure gives the flags of a command that are not on its command line the values of
// the environment and the configuration files.
func (a *app) configure(cmd *cobra.Command, _ []string) error {
	if !cmd.HasParent() || !config.Configured(cmd) { // motefs alone shows help or version
		return nil
	}
	user := config.UserFile(os.Getenv)
	if a.helper != nil { // at boot there is no home, and whoever calls mount has the same
		user = ""
	}
	settings, err := config.Read(cmd, config.Options{
		Files: []string{config.MachineFile}, User: user, File: a.configFile, Environ: os.Environ(),
		Own: []string{"header"}, Secret: secretFlags, URLs: urlFlags,
	})
	if err != nil {
		return usageError{err}
	}
	if err := settings.Apply(cmd); err != nil {
		return usageError{err}
	}
	a.settings = settings
	log, err := a.logger(a.console)
	if err != nil {
		return err
	}
	if path := settings.Foreign(); path != "" {
		log.Warn().Str("file", path).Msg("the configuration file is another user's, and is not read")
	}
	for _, v := range settings.UnknownVariables() {
		warning := log.Warn().Str("variable", v.Name)
		if v.Nearest != "" {
			warning.Str("nearest", v.Nearest)
		}
		warning.Msg("no command has such a flag, and the variable is ignored")
	}
	return nil
}

// withSources adds to a mistake in a flag where its value comes from.
func (a *app) withSources(err error) error {
	if err == nil || a.settings == nil || exitStatus(err) != exitUsage {
		return err
	}
	if sources := a.settings.Sources(err.Error()); sources != "" {
		return usagef("%w (%s)", err, sources)
	}
	return err
}

func configCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "config [COMMAND]...",
		Short: "Show every setting, and where it comes from",
		Long: "Show the settings of COMMAND, or of all commands, as a configuration file, with a\n" +
			"remark on each line where its value comes from.\n\n" +
			"A flag goes before the environment (MOTEFS_LIMIT_RATE for --limit-rate), that\n" +
			"before the files, and these before the default. The files are\n" +
			"/etc/motefs/config.yaml and, before it, $XDG_CONFIG_HOME/motefs/config.yaml\n" +
			"(~/.config without that variable); --config FILE takes the place of both.\n" +
			"A file has the names of flags as keys, at its top for all commands that have such\n" +
			"a flag, or below the name of a command for that one. Headers, tokens and keys are\n" +
			"not shown, nor are queries and user-info in URLs.",
		Example: "  motefs config mount\n  MOTEFS_LIMIT_RATE=10M motefs config mirror",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			commands := []*cobra.Command{root}
			for _, name := range args {
				found, rest, err := root.Find([]string{name})
				if err != nil || len(rest) > 0 || found == root || !config.Configured(found) {
					return usagef("config: no command %q that has settings", name)
				}
				commands = append(commands, found)
			}
			if len(args) == 0 {
				commands = config.Commands(root)
			}
			if err := a.settings.Show(a.stdout, commands...); err != nil {
				return usageError{err}
			}
			return nil
		},
	}
}

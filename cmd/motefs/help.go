package main

import (
	"cmp"
	"io"
	"strings"

	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupOf is the annotation of a flag that says in which group it is shown.
const groupOf = "group"

// inGroup has flags be shown by themselves in the help, under a heading.
func inGroup(flags *pflag.FlagSet, group string, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, groupOf, []string{group}); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// groupedUsage writes the usage of a command whose flags are in groups: those without one
// first, then each group, in the order of its first flag.
func groupedUsage(cmd *cobra.Command) error {
	var order []string
	groups := map[string]*pflag.FlagSet{}
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		group := cmp.Or(strings.Join(flag.Annotations[groupOf], ""), "Flags")
		if groups[group] == nil {
			groups[group] = pflag.NewFlagSet(group, pflag.ContinueOnError)
			if order = append(order, group); group == "Flags" {
				order = append([]string{group}, order[:len(order)-1]...)
			}
		}
		groups[group].AddFlag(flag)
	})
	text := "Usage:\n  " + cmd.UseLine() + "\n\nExamples:\n" + cmd.Example + "\n"
	for _, group := range order {
		text += "\n" + group + ":\n" + groups[group].FlagUsages()
	}
	text += "\nGlobal Flags:\n" + cmd.InheritedFlags().FlagUsages()
	_, err := io.WriteString(cmd.OutOrStderr(), text)
	return err
}

// helpCommand is cobra's, which shows the program's own help for a command that there is
// not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, _, err := cmd.Root().Find(args)
			if err == nil && about == cmd.Root() && len(args) > 0 {
				err = wording.UnknownCommand(about, args[0])
			}
			if err != nil {
				return usageError{err}
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

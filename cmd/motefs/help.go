package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// groupOf is the annotation of a flag that says in which group it is shown.
const groupOf = "group"

// Headings of groups that no file of its own has.
const (
	groupLimits     = "Speed, limits and patience"
	groupRefresh    = "Following the origin"
	groupOwner      = "Owners and permissions"
	groupBackground = "In the background"
)

// inGroup has flags be shown by themselves in the help, under a heading.
func inGroup(flags *pflag.FlagSet, group string, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, groupOf, []string{group}); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// usageOf writes the usage of a command: its commands, or its flags by their groups, those
// without one first, then each in the order of its first flag.
func usageOf(cmd *cobra.Command) error {
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
	out := cmd.OutOrStderr()
	columns := columnsOf(os.Stdout)
	text := "Usage:\n  " + cmd.UseLine() + "\n"
	if cmd.HasExample() {
		text += "\nExamples:\n" + cmd.Example + "\n"
	}
	if cmd.HasAvailableSubCommands() {
		text += "\nCommands:\n"
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				text += fmt.Sprintf("  %-*s  %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	for _, group := range order {
		text += "\n" + group + ":\n" + groups[group].FlagUsagesWrapped(columns)
	}
	if cmd.HasAvailableInheritedFlags() {
		text += "\nGlobal Flags:\n" + cmd.InheritedFlags().FlagUsagesWrapped(columns)
	}
	if cmd.HasAvailableSubCommands() {
		text += "\nmotefs COMMAND --help tells more of a command.\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

// Help is wrapped to the width of the terminal, within these bounds; off one to 80.
const leastColumns, mostColumns, usualColumns = 60, 120, 80

func columnsOf(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return usualColumns
	}
	return min(max(width, leastColumns), mostColumns)
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

package main

import (
	"cmp"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

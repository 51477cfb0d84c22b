package config

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Prefix begins every variable of motefs.
const Prefix = "MOTEFS_"

// Variable is the name of a flag's variable.
func Variable(flag string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// FileFlag is the flag that names a file to read in the place of the usual ones. A file
// cannot set it; a variable can.
const FileFlag = "config"

// notSettings are flags that ask for something else than the command.
var notSettings = []string{FileFlag, "help", "version"}

// flagOf is the flag of cmd by that name, its own or one of all commands; nil where a
// file cannot set it.
func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	if slices.Contains(notSettings, name) {
		return nil
	}
	cmd.InheritedFlags() // merges those of its parents into its own
	return cmd.Flags().Lookup(name)
}

// flagsOf are the names of a command's flags, in order.
func flagsOf(cmd *cobra.Command) []string {
	cmd.InheritedFlags()
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if flagOf(cmd, f.Name) != nil {
			names = append(names, f.Name)
		}
	})
	return names
}

// Commands are root and the commands below it that take settings.
func Commands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, cmd := range root.Commands() {
		if Configured(cmd) {
			all = append(all, Commands(cmd)...)
		}
	}
	return all
}

// Configured reports whether a command takes settings: not what prints help, runs whenever
// somebody presses the tabulator, or must work with a broken file too.
func Configured(cmd *cobra.Command) bool {
	for ; cmd.HasParent(); cmd = cmd.Parent() {
		switch cmd.Name() {
		case "help", "version", "completion", "man", "unmount", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd:
			return false
		}
	}
	return true
}

// lookup finds a flag of any command.
func lookup(root *cobra.Command, name string) *pflag.Flag {
	for _, cmd := range Commands(root) {
		if f := flagOf(cmd, name); f != nil {
			return f
		}
	}
	return nil
}

// allFlags are the names of all commands' flags, each once, in order.
func allFlags(root *cobra.Command) []string {
	var names []string
	for _, cmd := range Commands(root) {
		names = append(names, flagsOf(cmd)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// childOf is a command's subcommand that takes settings; nil: there is none.
func childOf(cmd *cobra.Command, name string) *cobra.Command {
	for _, child := range cmd.Commands() {
		if child.Name() == name && Configured(child) {
			return child
		}
	}
	return nil
}

// isList reports whether a flag may be given several times.
func isList(f *pflag.Flag) bool {
	_, ok := f.Value.(pflag.SliceValue)
	return ok
}

package wording

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// FlagError says what is wrong with a flag, given the error of pflag for it.
func FlagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			// Of -HAuthorization: … the end may be a secret.
			return fmt.Errorf("unknown flag -%.1s", unknown.GetSpecifiedName())
		}
		return fmt.Errorf("unknown flag --%s%s", unknown.GetSpecifiedName(), meant("--", nearFlags(cmd, unknown.GetSpecifiedName())))
	}
	if lacks, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		flag := lacks.GetFlag()
		name, _ := pflag.UnquoteUsage(flag)
		return fmt.Errorf("--%s: its value is missing: --%s %s", flag.Name, flag.Name, name)
	}
	if bad, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag := bad.GetFlag()
		return fmt.Errorf("--%s %q: %w", flag.Name, bad.GetValue(), valueError(flag, bad.Unwrap()))
	}
	if _, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return errors.New("a flag without a name")
	}
	return err
}

// valueError is why the value of a flag is none. Of pflag's own types, of which the
// errors are those of Go's parsers, it says what they are.
func valueError(flag *pflag.Flag, err error) error {
	switch flag.Value.Type() {
	case "int", "int64":
		return errors.New("give a whole number")
	case "duration":
		return errors.New("give a time with its unit, such as 90s, 10m or 1h30m")
	case "bool":
		return fmt.Errorf("give --%s, or --%s=false", flag.Name, flag.Name)
	}
	return err
}

// OneOf reports an error where more than one of the flags is given.
func OneOf(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) < 2 {
		return nil
	}
	return fmt.Errorf("%s do not go together: give one of them", strings.Join(given, " and "))
}

// UnknownCommand says that there is no such command, and which one may have been meant.
func UnknownCommand(root *cobra.Command, word string) error {
	if strings.ContainsAny(word, ":@") { // a URL, perhaps with a password
		return errors.New("a command is missing: a URL comes after mount or mirror")
	}
	return fmt.Errorf("unknown command %q%s", word, meant("motefs ", root.SuggestionsFor(word)))
}

// nearFlags are the names of flags that look like word.
func nearFlags(cmd *cobra.Command, word string) []string {
	names := &cobra.Command{SuggestionsMinimumDistance: nearness}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: flag.Name, Run: func(*cobra.Command, []string) {}})
	})
	return names.SuggestionsFor(word)
}

// nearness is how many letters may differ where a word is taken for a misspelt one.
const nearness = 2

// meantMost bounds the names that are suggested.
const meantMost = 3

// meant asks whether one of the names was meant.
func meant(before string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	names = names[:min(len(names), meantMost)]
	return ": did you mean " + before + strings.Join(names, " or "+before) + "?"
}

package wording

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Operands checks how many operands a command is given against those that its Use
// names, as in "mount [flags] ORIGIN MOUNTPOINT"; one in brackets may be left out, one with
// dots may be several, and a bar stands between those of which one is given. The
// error names what is missing. It shows no operand: a header that is not quoted becomes
// some.
func Operands(cmd *cobra.Command, args []string) error {
	var needed, all []string
	several := false
	for _, word := range strings.Fields(strings.ReplaceAll(cmd.Use, " | ", "|"))[1:] {
		name := strings.Trim(word, "[].")
		if name == "flags" {
			continue
		}
		several = several || strings.Contains(word, "...")
		if word[0] != '[' {
			needed = append(needed, name)
		}
		all = append(all, name)
	}
	switch {
	case len(args) < len(needed):
		return fmt.Errorf("%s: %s", missing(needed[len(args):]), cmd.UseLine())
	case len(args) > len(all) && len(all) == 0:
		return fmt.Errorf("%s takes nothing but flags", cmd.CommandPath())
	case len(args) > len(all) && !several:
		return fmt.Errorf("more words than it takes: %s; one with spaces in it is quoted", cmd.UseLine())
	}
	return nil
}

// missing says which operands are not there.
func missing(names []string) string {
	if len(names) == 1 {
		return strings.ReplaceAll(names[0], "|", " or ") + " is missing"
	}
	return strings.Join(names, " and ") + " are missing"
}

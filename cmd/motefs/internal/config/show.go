package config

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// valueWidth is where the remarks of Show begin, behind the key and its value.
const valueWidth = 44

// Show writes every setting of the commands, and where it comes from, as a file that
// Read takes: what is not set is a remark in it.
func (s *Settings) Show(w io.Writer, commands ...*cobra.Command) error {
	var b strings.Builder
	b.WriteString("# Where settings come from: a flag, else the environment, else a file, else the default.\n")
	for _, file := range s.files {
		state := "read"
		switch {
		case file.Foreign:
			state = "another user's, and not read"
		case !file.Read:
			state = "there is none"
		}
		fmt.Fprintf(&b, "# %s: %s\n", file.Path, state)
	}
	for _, unknown := range s.UnknownVariables() {
		fmt.Fprintf(&b, "# %s: no command has such a flag\n", unknown.Name)
	}
	for _, cmd := range commands {
		if err := s.showCommand(&b, cmd); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// showCommand writes the section of one command; that of the root is not indented, and
// has the flags of all commands.
func (s *Settings) showCommand(b *strings.Builder, cmd *cobra.Command) error {
	var shown []*pflag.Flag
	for _, name := range flagsOf(cmd) {
		f := flagOf(cmd, name)
		_, own := s.lookup(cmd, f)
		// What all commands have stands at the top, unless a section says otherwise.
		if f.Hidden || cmd.HasParent() && cmd.InheritedFlags().Lookup(name) != nil && (!own || !s.differs(cmd, f)) {
			continue
		}
		shown = append(shown, f)
	}
	if len(shown) == 0 {
		return nil
	}
	indent := ""
	for c := cmd; c.HasParent(); c = c.Parent() {
		indent += "  "
	}
	if cmd.HasParent() {
		fmt.Fprintf(b, "%s%s:\n", indent[2:], cmd.Name())
	}
	for _, f := range shown {
		line, err := s.line(cmd, f)
		if err != nil {
			return err
		}
		b.WriteString(indent + line + "\n")
	}
	return nil
}

// differs reports whether a flag of all commands has another value for cmd.
func (s *Settings) differs(cmd *cobra.Command, f *pflag.Flag) bool {
	here, _ := s.lookup(cmd, f)
	top, _ := s.lookup(s.root, f)
	return here.from != top.from
}

// line is one setting, with a remark where it comes from.
func (s *Settings) line(cmd *cobra.Command, f *pflag.Flag) (string, error) {
	v, ok := s.lookup(cmd, f)
	switch {
	case s.given[f]:
		v = value{texts: []string{f.Value.String()}, from: "the command line"}
	case !ok:
		text := "# " + f.Name + ":"
		if def := f.DefValue; def != "" && def != "[]" {
			text += " " + plain(def)
		}
		return pad(text) + " # the default", nil
	default:
		// The command that shows runs no other, so that these may keep it.
		if err := s.assign(cmd, f, v); err != nil {
			return "", err
		}
	}
	if slices.Contains(s.o.Secret, f.Name) {
		return pad("# "+f.Name+": (set, but not shown)") + " # " + v.from, nil
	}
	whole := strings.Join(v.texts, "")
	if slices.Contains(s.o.URLs, f.Name) {
		if open := withoutSecrets(whole); open != whole {
			return pad("# "+f.Name+": "+plain(open)+" (not all is shown)") + " # " + v.from, nil
		}
	}
	text := plain(whole)
	if isList(f) {
		quoted := make([]string, len(v.texts))
		for i, t := range v.texts {
			quoted[i] = plain(t)
		}
		text = "[" + strings.Join(quoted, ", ") + "]"
	}
	return pad(f.Name+": "+text) + " # " + v.from, nil
}

// withoutSecrets is a URL, or the end of one, without user-info and query.
func withoutSecrets(raw string) string {
	raw, _, _ = strings.Cut(raw, "?")
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		scheme, rest = "", raw
	} else {
		scheme += "://"
	}
	// A password may have any character, also a slash that should have been escaped.
	if i := strings.LastIndexByte(rest, '@'); ok && i >= 0 {
		rest = rest[i+1:]
	}
	return scheme + rest
}

func pad(text string) string { return fmt.Sprintf("%-*s", valueWidth, text) }

var needsNoQuotes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9/._%+@=-]*$`) })

// plain is a scalar on one line, quoted where it needs that.
func plain(text string) string {
	if needsNoQuotes().MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

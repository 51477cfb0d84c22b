package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Options say where settings come from. The zero value reads nothing.
type Options struct {
	// Files are looked for; a later one goes before an earlier one. They need not be
	// there.
	Files []string
	// User is the user's own file, which goes before Files; empty: there is none. That of
	// another user than the effective one or root, as sudo may leave it in HOME, is not read.
	User string
	// File takes the place of both, and must be there; empty: they are looked for.
	File string
	// Environ is as os.Environ has it.
	Environ []string
	// Own are flags whose variable the command reads itself.
	Own []string
	// Secret are flags whose values are not shown.
	Secret []string
	// URLs are flags of whose values user-info and query are not shown.
	URLs []string
}

// MachineFile is where the configuration of the machine is.
const MachineFile = "/etc/motefs/config.yaml"

// UserFile is where the configuration of the user is looked for. Without a home it is empty.
func UserFile(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // such are to be ignored (XDG Base Directory Specification)
		if dir = getenv("HOME"); dir == "" {
			return ""
		}
		dir = filepath.Join(dir, ".config")
	}
	return filepath.Join(dir, "motefs", "config.yaml")
}

// Settings are what the environment and the files say.
type Settings struct {
	o         Options
	root      *cobra.Command
	files     []File
	variables map[string]string
	given     map[*pflag.Flag]bool // on the command line
	set       map[string]value     // by Apply
}

// Read reads the environment and the files for cmd, whose command line is parsed. Every
// key of the files must be a flag of a command.
func Read(cmd *cobra.Command, o Options) (*Settings, error) {
	s := &Settings{
		o: o, root: cmd.Root(), variables: map[string]string{},
		given: map[*pflag.Flag]bool{}, set: map[string]value{},
	}
	cmd.Flags().Visit(func(f *pflag.Flag) { s.given[f] = true })
	for _, entry := range o.Environ {
		name, text, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, Prefix) && text != "" {
			s.variables[name] = text
		}
	}
	paths, must := o.Files, false
	if o.User != "" {
		paths = append(slices.Clip(paths), o.User)
	}
	if file := s.File(); file != "" {
		paths, must = []string{file}, true
	}
	for _, path := range paths {
		file, err := readFile(path, must, path == o.User && !must, s.root)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, file)
	}
	return s, nil
}

// File is the file that the command line or the environment names; empty: none.
func (s *Settings) File() string {
	if s.o.File != "" {
		return s.o.File
	}
	return s.variables[Variable(FileFlag)]
}

// Foreign is the user's file where it was not read, as it is another user's; else empty.
func (s *Settings) Foreign() string {
	for _, file := range s.files {
		if file.Foreign {
			return file.Path
		}
	}
	return ""
}

// Apply sets the flags of cmd that the command line does not.
func (s *Settings) Apply(cmd *cobra.Command) error {
	for _, name := range flagsOf(cmd) {
		f := flagOf(cmd, name)
		v, ok := s.lookup(cmd, f)
		if !ok || s.given[f] {
			continue
		}
		s.set[name] = v
		if err := s.assign(cmd, f, v); err != nil {
			return err
		}
	}
	return nil
}

// Place is where the value of a flag comes from. What has the higher one goes before what
// has the lower one; the files are between Default and Environment.
type Place int

// The places that are no files.
const (
	Default     Place = 0
	Environment Place = 1 << 20
	CommandLine Place = Environment + 1
)

// Place is where the value of a flag of cmd comes from, after Apply. Without settings there
// is the command line alone.
func (s *Settings) Place(cmd *cobra.Command, flag string) Place {
	f := cmd.Flags().Lookup(flag)
	switch {
	case f == nil || !f.Changed:
		return Default
	case s == nil || s.given[f]:
		return CommandLine
	}
	return s.set[flag].place
}

// Drop gives a flag of cmd its default again, as if nothing had set it. A value whose Set
// does not take its default has a method Reset.
func (s *Settings) Drop(cmd *cobra.Command, flag string) error {
	f := cmd.Flags().Lookup(flag)
	var err error
	switch v := f.Value.(type) {
	case interface{ Reset() }:
		v.Reset()
	case pflag.SliceValue: // of which Set adds one
		err = v.Replace(nil)
	default:
		err = v.Set(f.DefValue)
	}
	if err != nil {
		return fmt.Errorf("the default of %s: %w", flag, err)
	}
	f.Changed = false
	if s != nil {
		delete(s.set, flag)
	}
	return nil
}

// Prefer drops, of flags of cmd that exclude each other, those that have a lower Place than
// another one. One that has its default excludes nothing.
func (s *Settings) Prefer(cmd *cobra.Command, flags ...string) error {
	var on []string
	highest := Default
	for _, name := range flags {
		if f := cmd.Flags().Lookup(name); f != nil && f.Value.String() != f.DefValue {
			on, highest = append(on, name), max(highest, s.Place(cmd, name))
		}
	}
	for _, name := range on {
		if s.Place(cmd, name) == highest {
			continue
		}
		if err := s.Drop(cmd, name); err != nil {
			return err
		}
	}
	return nil
}

// assign sets a flag as the command line would.
func (s *Settings) assign(cmd *cobra.Command, f *pflag.Flag, v value) error {
	if v.from == Variable(f.Name) && slices.Contains(s.o.Own, f.Name) {
		return nil
	}
	for _, text := range v.texts {
		if err := cmd.Flags().Set(f.Name, text); err != nil {
			return fmt.Errorf("%s: %s", v.from, s.reason(f, text, err))
		}
	}
	return nil
}

// lookup is what the environment or else the files say of a flag of cmd.
func (s *Settings) lookup(cmd *cobra.Command, f *pflag.Flag) (value, bool) {
	variable := Variable(f.Name)
	if text, ok := s.variables[variable]; ok {
		v := value{texts: []string{text}, from: variable, place: Environment}
		if isList(f) {
			v.texts = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
		}
		return v, true
	}
	for i, file := range slices.Backward(s.files) {
		if v, ok := file.top.of(cmd, f.Name); ok {
			v.place = Place(i + 1)
			return v, true
		}
	}
	return value{}, false
}

// of is what a file says of a flag: the section of the command, else that of its parent,
// and at last the top.
func (s *section) of(cmd *cobra.Command, flag string) (value, bool) {
	var names []string // from the root down
	for c := cmd; c.HasParent(); c = c.Parent() {
		names = append([]string{c.Name()}, names...)
	}
	var found value
	var ok bool
	for i := 0; s != nil; i++ {
		if v, here := s.values[flag]; here {
			found, ok = v, true
		}
		if i == len(names) {
			break
		}
		s = s.commands[names[i]]
	}
	return found, ok
}

// reason says in the user's words why a flag does not take a value.
func (s *Settings) reason(f *pflag.Flag, text string, err error) string {
	about := fmt.Sprintf("%s %q", f.Name, text)
	if slices.Contains(s.o.Secret, f.Name) {
		about = f.Name
	}
	switch kind := f.Value.Type(); {
	case kind == "bool":
		return about + ": give true or false"
	case kind == "duration":
		return about + ": give a time such as 30s, 10m or 1h"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return about + ": give a whole number"
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = invalid.Unwrap()
	}
	return fmt.Sprintf("%s: %v", about, err)
}

// UnknownVariable is one that no flag has.
type UnknownVariable struct {
	Name    string
	Nearest string // empty: nothing comes near
}

// UnknownVariables are those of the prefix that say nothing to any command, in order.
// Those that begin with MOTEFS_TEST_ are for motefs's own tests.
func (s *Settings) UnknownVariables() []UnknownVariable {
	known := []string{Variable(FileFlag)}
	for _, name := range allFlags(s.root) {
		known = append(known, Variable(name))
	}
	var unknown []UnknownVariable
	for name := range s.variables {
		if !slices.Contains(known, name) && !strings.HasPrefix(name, Prefix+"TEST_") {
			unknown = append(unknown, UnknownVariable{name, wording.Nearest(name, known)})
		}
	}
	slices.SortFunc(unknown, func(a, b UnknownVariable) int { return strings.Compare(a.Name, b.Name) })
	return unknown
}

var flagName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`--([a-z0-9][a-z0-9-]*)`) })

// Sources says of the flags that a text names as --flag where their values come from,
// where that is not the command line; empty: of none.
func (s *Settings) Sources(text string) string {
	var all []string
	for _, m := range flagName().FindAllStringSubmatch(text, -1) {
		if v, ok := s.set[m[1]]; ok {
			if source := fmt.Sprintf("--%s is set by %s", m[1], v.from); !slices.Contains(all, source) {
				all = append(all, source)
			}
		}
	}
	return strings.Join(all, ", ")
}

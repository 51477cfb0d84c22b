package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// toy are the flags of a program like motefs.
type toy struct {
	level, store, token string
	rate                int
	every               time.Duration
	all                 bool
	headers             []string
	mode                mode
}

// mode is an octal number, which YAML must not make a decimal one of.
type mode string

func (m *mode) Set(text string) error {
	if strings.Trim(text, "01234567") != "" {
		return errors.New("give an octal number")
	}
	*m = mode(text)
	return nil
}
func (m *mode) String() string { return string(*m) }
func (m *mode) Type() string   { return "octal" }

// program makes the commands, and runs what run says when one of them runs.
func program(v *toy, run func(cmd *cobra.Command) error) *cobra.Command {
	root := &cobra.Command{Use: "toy", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVar(&v.level, "log-level", "info", "")
	root.PersistentFlags().String("config", "", "")
	add := func(parent *cobra.Command, name string) *pflag.FlagSet {
		cmd := &cobra.Command{Use: name, RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd) }}
		parent.AddCommand(cmd)
		return cmd.Flags()
	}
	mount, mirror := add(root, "mount"), add(root, "mirror")
	for _, flags := range []*pflag.FlagSet{mount, mirror} {
		flags.IntVar(&v.rate, "limit-rate", 7, "")
		flags.StringVar(&v.store, "store", "", "")
	}
	mount.BoolVar(&v.all, "allow-other", false, "")
	mount.Var(&v.mode, "umask", "")
	mount.StringVar(&v.token, "token", "", "")
	mount.StringArrayVar(&v.headers, "header", nil, "")
	mount.DurationVar(&v.every, "refresh-every", 0, "")
	deep, _, _ := root.Find([]string{"mount"})
	add(deep, "deep").StringVar(&v.store, "store", "", "")
	add(root, "version")
	return root
}

// apply runs a command line with a file and variables, and returns what the flags are.
func apply(t *testing.T, file string, environ []string, args ...string) (v toy, s *Settings, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	root := program(&v, func(cmd *cobra.Command) (err error) {
		s, err = Read(cmd, Options{File: path, Environ: environ, Secret: []string{"token"}, URLs: []string{"store"}})
		if err != nil {
			return err
		}
		return s.Apply(cmd)
	})
	root.SetArgs(args)
	err = root.Execute()
	return v, s, err
}

// TestOrder holds the order of the places, for every kind of flag.
func TestOrder(t *testing.T) {
	file := "limit-rate: 1\nlog-level: debug\nmirror: {limit-rate: 2}\nmount:\n  allow-other: true\n  umask: 0222\n" +
		"  header: [a, 'b: c']\n  refresh-every: 1h\n  deep: {store: x}\n"
	for _, tc := range []struct {
		name    string
		environ []string
		args    []string
		want    toy
	}{
		{"the top", nil, []string{"mount"}, toy{level: "debug", rate: 1, all: true, mode: "0222", headers: []string{"a", "b: c"}, every: time.Hour}},
		{"a section", nil, []string{"mirror"}, toy{level: "debug", rate: 2}},
		{"a section in a section", nil, []string{"mount", "deep"}, toy{level: "debug", rate: 7, store: "x"}},
		{"a variable", []string{"MOTEFS_LIMIT_RATE=3", "MOTEFS_LOG_LEVEL=warn", "MOTEFS_STORE="}, []string{"mirror"}, toy{level: "warn", rate: 3}},
		{"a flag", []string{"MOTEFS_LIMIT_RATE=3"}, []string{"mirror", "--limit-rate", "4"}, toy{level: "debug", rate: 4}},
		{"lists", []string{"MOTEFS_HEADER=x\ny\n", "MOTEFS_ALLOW_OTHER=0"}, []string{"mount", "--refresh-every=2h"}, toy{level: "debug", rate: 1, mode: "0222", headers: []string{"x", "y"}, every: 2 * time.Hour}},
		{"a list of the command line", nil, []string{"mount", "--header=z"}, toy{level: "debug", rate: 1, all: true, mode: "0222", headers: []string{"z"}, every: time.Hour}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, err := apply(t, file, tc.environ, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got.headers, "|") != strings.Join(tc.want.headers, "|") {
				t.Errorf("headers %q, want %q", got.headers, tc.want.headers)
			}
			got.headers, tc.want.headers = nil, nil
			if got.level != tc.want.level || got.rate != tc.want.rate || got.all != tc.want.all || got.mode != tc.want.mode || got.every != tc.want.every || got.store != tc.want.store {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

// TestMistakes has every mistake answered with its place and what was meant.
func TestMistakes(t *testing.T) {
	for _, tc := range []struct{ file, environ, says string }{
		{"mount:\n  limit-rat: 1\n", "", `c.yaml:2: unknown key "limit-rat" for mount; did you mean limit-rate?`},
		{"mont: {store: x}\n", "", `c.yaml:1: unknown key "mont"; did you mean mount?`},
		{"\nlimit_rate: 1", "", `c.yaml:2: unknown key "limit_rate"; did you mean limit-rate?`},
		{"mirror: {allow-other: true}", "", `c.yaml:1: unknown key "allow-other" for mirror; other commands have it`},
		{"something: 1", "", `unknown key "something"; motefs config shows all`},
		{"config: other.yaml", "", `unknown key "config"`},
		{"version: {}", "", `unknown key "version"`},
		{"store: a\nlimit-rate: 1\nstore: b", "", `c.yaml:3: "store" stands twice, first in line 1`},
		{"store:", "", `c.yaml:1: store: there is no value`},
		{"store: [a]", "", `c.yaml:1: store takes one value, not a list`},
		{"store: {a: b}", "", `c.yaml:1: store: give a value`},
		{"mount: {header: [[a]]}", "", `header: give a value`},
		{"store: &a x\nlog-level: *a", "", `c.yaml:2: log-level: aliases`},
		{"store: !!binary eA==", "", `c.yaml:1: store: aliases and tags`},
		{"limit-rate: 0\nmount: 3", "", `c.yaml:2: give lines of`},
		{"just words", "", `c.yaml:1: give lines of`},
		{"- a\n- b", "", `c.yaml:1: give lines of`},
		{"{a}: b", "", `a key that is no name`},
		{"x: 1\na: b: c", "", `c.yaml:2: not YAML: mapping values are not allowed`},
		{"\x00\x01\x02", "", `c.yaml: not YAML: `},
		{"store: x\n---\nstore: y", "", `a second document`},
		{strings.Repeat("#", maxFile+1), "", `c.yaml: longer than 1048576 bytes`},
		{"mount: {limit-rate: many}", "", `c.yaml:1: limit-rate "many": give a whole number`},
		{"allow-other: yes", "", `c.yaml:1: allow-other "yes": give true or false`},
		{"umask: 9", "", `c.yaml:1: umask "9": give an octal number`},
		{"", "MOTEFS_REFRESH_EVERY=often", `MOTEFS_REFRESH_EVERY: refresh-every "often": give a time`},
	} {
		_, _, err := apply(t, tc.file, []string{tc.environ}, "mount")
		if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q %s: %v, want %s", tc.file, tc.environ, err, tc.says)
		}
	}
	for _, file := range []string{"", "# nothing\n", "---\n", "null", "mount:\n", "mount: {}\nmirror:\n"} {
		if _, _, err := apply(t, file, nil, "mount"); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// TestFiles holds which files are read, and that a later one goes before an earlier one.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	machine, user, missing := filepath.Join(dir, "machine"), filepath.Join(dir, "user"), filepath.Join(dir, "missing")
	for path, text := range map[string]string{machine: "limit-rate: 1\nmount: {store: m, limit-rate: 2}", user: "limit-rate: 3"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(o Options) (v toy, err error) {
		root := program(&v, func(cmd *cobra.Command) error {
			s, err := Read(cmd, o)
			if err != nil {
				return err
			}
			return s.Apply(cmd)
		})
		root.SetArgs([]string{"mount"})
		err = root.Execute()
		return v, err
	}
	if v, err := read(Options{Files: []string{machine, missing, user}}); err != nil || v.rate != 3 || v.store != "m" {
		t.Errorf("both files make %+v, %v", v, err)
	}
	if v, err := read(Options{Files: []string{machine}, Environ: []string{"MOTEFS_CONFIG=" + user}}); err != nil || v.rate != 3 || v.store != "" {
		t.Errorf("a file of the environment makes %+v, %v", v, err)
	}
	if v, err := read(Options{Files: []string{machine}, File: os.DevNull, Environ: []string{"MOTEFS_CONFIG=" + user}}); err != nil || v.rate != 7 {
		t.Errorf("no file makes %+v, %v", v, err)
	}
	for _, o := range []Options{{File: missing}, {Files: []string{dir}}} {
		if _, err := read(o); err == nil {
			t.Errorf("%+v is read", o)
		}
	}
	for home, want := range map[[2]string]string{
		{"", ""}: "", {"relative", ""}: "", {"/x", ""}: "/x/motefs/config.yaml", {"", "/home/u"}: "/home/u/.config/motefs/config.yaml",
		{"relative", "/home/u"}: "/home/u/.config/motefs/config.yaml",
	} {
		got := UserFile(func(name string) string { return map[string]string{"XDG_CONFIG_HOME": home[0], "HOME": home[1]}[name] })
		if got != want {
			t.Errorf("with XDG_CONFIG_HOME %q and HOME %q: %q", home[0], home[1], got)
		}
	}
	if v, err := read(Options{Files: []string{machine}, User: user}); err != nil || v.rate != 3 || v.store != "m" {
		t.Errorf("machine and user make %+v, %v", v, err)
	}
}

// TestForeignFile has the file of another user be left alone, unless it is asked for.
func TestForeignFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("limit-rate: 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		o       Options
		rate    int
		foreign string
	}{
		{Options{User: path}, 7, path},
		{Options{Files: []string{path}}, 3, ""},
		{Options{User: path, File: path}, 3, ""},
	} {
		var v toy
		root := program(&v, func(cmd *cobra.Command) error {
			s, err := Read(cmd, tc.o)
			if err != nil {
				return err
			}
			if s.Foreign() != tc.foreign {
				t.Errorf("%+v: %q is another user's", tc.o, s.Foreign())
			}
			return s.Apply(cmd)
		})
		root.SetArgs([]string{"mount"})
		if err := root.Execute(); err != nil || v.rate != tc.rate {
			t.Errorf("%+v: %d, %v; want %d", tc.o, v.rate, err, tc.rate)
		}
	}
}

// TestShow holds that what is shown can be read again, has every source, and no secret.
func TestShow(t *testing.T) {
	show := func(file string, environ []string, args ...string) string {
		var b strings.Builder
		_, s, err := apply(t, file, environ, args...)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Show(&b, Commands(s.root)...); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := show("log-level: debug\nmount: {token: sesame, header: [a, 'b: \"c\"']}\nmirror: {log-level: warn}",
		[]string{"MOTEFS_STORE=/a b", "MOTEFS_STROE=x", "OTHER=y", "MOTEFS_TEST_X=1"}, "mirror", "--log-level=error")
	for _, want := range []string{
		"log-level: error  # the command line", "# MOTEFS_STROE: no command has such a flag", "# limit-rate: 7 # the default",
		`store: "/a b" # MOTEFS_STORE`, `header: [a, "b: \"c\""] # `, "# token: (set, but not shown) # ", "# allow-other: false # the default",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "sesame") || strings.Contains(text, "MOTEFS_TEST") {
		t.Errorf("too much is shown:\n%s", text)
	}
	again, _, err := apply(t, text, nil, "mount")
	if err != nil || again.store != "/a b" || strings.Join(again.headers, "|") != `a|b: "c"` || again.level != "error" {
		t.Errorf("read again it is %+v, %v\n%s", again, err, text)
	}
}

// TestShowURLs holds that no secret of a URL is shown.
func TestShowURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"items?key=geheim":             "# store: items (not all is shown)",
		"https://u:geheim@h/p":         "# store: \"https://h/p\" (not all is shown)",
		"https://u:ge/heim@h?a=geheim": "# store: \"https://h\" (not all is shown)",
		"https://h/p":                  "store: \"https://h/p\"",
		"a@b":                          "store: a@b",
	} {
		var b strings.Builder
		_, s, err := apply(t, "", []string{"MOTEFS_STORE=" + raw}, "mirror")
		if err == nil {
			err = s.Show(&b, Commands(s.root)...)
		}
		if text := b.String(); err != nil || !strings.Contains(text, want+" ") || strings.Contains(text, "geheim") || strings.Contains(text, "heim@") {
			t.Errorf("%s: %v, want %s in\n%s", raw, err, want, text)
		}
	}
}

// TestPlaces orders flags by where they come from, and drops what a file says.
func TestPlaces(t *testing.T) {
	var v toy
	dir := t.TempDir()
	machine, user := filepath.Join(dir, "machine"), filepath.Join(dir, "user")
	for path, text := range map[string]string{machine: "limit-rate: 1\nallow-other: true", user: "mount: {umask: 7, limit-rate: 2}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root := program(&v, func(cmd *cobra.Command) error {
		s, err := Read(cmd, Options{Files: []string{machine, user}, Environ: []string{"MOTEFS_STORE=x", "MOTEFS_LOG_LEVEL=x"}})
		if err == nil {
			err = s.Apply(cmd)
		}
		if err != nil {
			return err
		}
		var places []Place
		for _, flag := range []string{"token", "allow-other", "limit-rate", "store", "log-level"} {
			places = append(places, s.Place(cmd, flag))
		}
		if !slices.Equal(places, []Place{Default, 1, 2, Environment, CommandLine}) || s.Place(cmd, "umask") != 2 {
			t.Errorf("the places are %v", places)
		}
		if err := s.Drop(cmd, "limit-rate"); err != nil || v.rate != 7 || s.Place(cmd, "limit-rate") != Default || s.Sources("--limit-rate") != "" {
			t.Errorf("dropped it is %d, %v", v.rate, err)
		}
		return nil
	})
	root.SetArgs([]string{"mount", "--log-level", "y"})
	if err := root.Execute(); err != nil {
		t.Error(err)
	}
}

func TestSources(t *testing.T) {
	_, s, err := apply(t, "store: x", []string{"MOTEFS_LIMIT_RATE=0"}, "mirror")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Sources("--limit-rate 0: give more, or --limit-rate-x"); got != "--limit-rate is set by MOTEFS_LIMIT_RATE" {
		t.Errorf("%q", got)
	}
	if got := s.Sources("--stores, --log-level"); got != "" {
		t.Errorf("%q", got)
	}
	_, s, err = apply(t, "", []string{"MOTEFS_LIMIT_RAT=0", "MOTEFS_WHOLLY_ELSE=1", "MOTEFS_CONFIG="}, "mirror")
	if err != nil {
		t.Fatal(err)
	}
	if u := s.UnknownVariables(); len(u) != 2 || u[0].Nearest != "MOTEFS_LIMIT_RATE" || u[1].Nearest != "" {
		t.Errorf("%+v", u)
	}
}

// FuzzFile has any bytes be a file, or one line that says why not.
func FuzzFile(f *testing.F) {
	for _, text := range []string{"mount: {store: x}", "a: &a [*a]", "store: \"\\x00\"", "? [a]\n: b", "mount:\n <<: {store: x}"} {
		f.Add([]byte(text))
	}
	root := program(&toy{}, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parse("f", data, root); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}

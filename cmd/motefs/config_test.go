package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/spf13/pflag"
)

// TestEveryFlagIsASetting has each flag of each command set by its variable and by a file,
// and be given after that.
func TestEveryFlagIsASetting(t *testing.T) {
	texts := map[string]string{
		"bool": "true", "int": "1", "int64": "1", "duration": "1m", "bytes": "1K", "octal": "077", "number": "5", "N or N%": "5%",
		"names|contents": "names", "string": "x", "stringArray": "A: b", "PART": "1%", "auto|bar|plain|json|none": "plain",
	}
	dir, seen := t.TempDir(), 0
	for _, inFile := range []bool{false, true} {
		for _, cmd := range config.Commands(newApp(io.Discard, io.Discard).rootCommand()) {
			cmd.InheritedFlags()
			cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Name == "help" || f.Name == "version" || f.Name == "config" {
					return
				}
				seen++
				text := texts[f.Value.Type()]
				o := config.Options{Environ: []string{config.Variable(f.Name) + "=" + text}}
				if inFile {
					o = config.Options{File: filepath.Join(dir, "c.yaml")}
					if err := os.WriteFile(o.File, []byte(f.Name+": '"+text+"'\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				s, err := config.Read(cmd, o)
				if err == nil {
					err = s.Apply(cmd)
				}
				if err != nil || !f.Changed {
					t.Errorf("%s --%s of type %q, in a file %v: %v, given %v", cmd.CommandPath(), f.Name, f.Value.Type(), inFile, err, f.Changed)
				}
			})
		}
	}
	if seen < 160 {
		t.Errorf("only %d flags are seen", seen)
	}
}

// configured runs the program with variables, in a home of its own.
func configured(t *testing.T, want int, home string, environ []string, args ...string) *process.Process {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), raceVariable + "=" + os.Getenv(raceVariable)}
	if home != "" {
		cmd.Env = append(cmd.Env, "HOME="+home)
	}
	cmd.Env = append(cmd.Env, environ...)
	p := process.Start(t, cmd)
	if got := p.Wait(); got != want {
		t.Errorf("motefs %q with %q exits with %d, want %d:\n%s%s", args, environ, got, want, p.Stdout, p.Stderr)
	}
	return p
}

// TestConfiguration mirrors with settings of a file and of the environment, and has
// mistakes in them be told with their places.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{Token: "sesame"}, synthetic(5))
	home := t.TempDir()
	file := filepath.Join(home, ".config", "motefs", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store := filepath.Join(home, "s")
	write("store: " + store + "\nmirror:\n  header:\n  - 'Authorization: Bearer sesame'\n")
	configured(t, exitOK, home, nil, "mirror", s.URL())
	configured(t, exitOK, home, nil, "verify")
	configured(t, exitOrigin, home, []string{"MOTEFS_HEADER=Authorization: Bearer other", "MOTEFS_STORE=" + store + "2"}, "mirror", s.URL())
	configured(t, exitOrigin, home, nil, "mirror", "--store", store+"3", "--header", "Authorization: Bearer third", s.URL())
	if text := configured(t, exitOK, home, nil, "config", "mirror").Stdout.String(); strings.Contains(text, "sesame") || !strings.Contains(text, file+":1") || !strings.Contains(text, "not shown") {
		t.Errorf("config says\n%s", text)
	}
	for _, tc := range []struct {
		file, variable, says string
	}{
		{"mirror:\n  conections: 3", "", "config.yaml:2: unknown key \"conections\" for mirror; did you mean connections?"},
		{"\nconnections: 0", "", "--connections is set by " + file + ":2"},
		{"connections: many", "", "config.yaml:1: connections \"many\""},
		{"", "MOTEFS_PIPELINE=sometimes", "--pipeline is set by MOTEFS_PIPELINE"},
		{"", "MOTEFS_LIMIT_RATE=fast", "MOTEFS_LIMIT_RATE: limit-rate \"fast\""},
		{"", "MOTEFS_LOG_LEVEL=loud", "--log-level is set by MOTEFS_LOG_LEVEL"},
		{"", "MOTEFS_CONFIG=/nothing/there", "no such file"},
		{"", "MOTEFS_CONFIG=/", "is a directory"},
		{"a: [", "", "not YAML"},
	} {
		write(tc.file)
		text := configured(t, exitUsage, home, []string{tc.variable}, "mirror", s.URL()).Stderr.String()
		if !strings.Contains(text, tc.says) || strings.Count(text, "\n") != 1 {
			t.Errorf("%q and %q: it says %q, want one line with %q", tc.file, tc.variable, text, tc.says)
		}
	}
	// With a file that is broken, what needs no settings works.
	configured(t, exitOK, home, nil, "version")
	configured(t, exitOK, home, nil, "--version")
	configured(t, exitOK, home, nil)
	configured(t, exitOK, home, nil, "mirror", "--help")
	configured(t, exitOK, home, nil, "__complete", "mir")
	if text := configured(t, exitMountpoint, home, nil, "unmount", home).Stderr.String(); !strings.Contains(text, "nothing is mounted") {
		t.Errorf("unmount says %q", text)
	}
	// Without a home there is no file of the user, and that is no error.
	text := configured(t, exitOK, "", []string{"MOTEFS_LIMIT_FLIES=3", "MOTEFS_HEADER=Authorization: Bearer sesame"}, "mirror", "--store", store, s.URL()).Stderr.String()
	if !strings.Contains(text, "MOTEFS_LIMIT_FILES") || strings.Contains(text, "sesame") {
		t.Errorf("a variable of no flag: %q", text)
	}
}

// TestLogFile has each command that logs do so to --log-file, and the others not have it.
func TestLogFile(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(5))
	dir := t.TempDir()
	store, log := filepath.Join(dir, "s"), filepath.Join(dir, "log")
	finish(t, exitOK, "mirror", "--store", store, "--log-file", log, s.URL())
	const debug = "--log-level=debug"
	for _, more := range [][]string{nil, {"--repair"}} {
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		p := finish(t, exitOK, append([]string{"--log-file", log, "verify", debug, "--store", store}, more...)...)
		text, err := os.ReadFile(log)
		if err != nil || !strings.Contains(string(text), " DBG ") || p.Stderr.String() != "" {
			t.Errorf("verify %q logs %q and %q, %v", more, text, p.Stderr, err)
		}
	}
	finish(t, exitUsage, "demo", "--log-file", dir)
	for _, command := range []string{"serve", "status", "stores", "failures", "config", "unmount"} {
		if text := finish(t, exitUsage, command, "--log-file", log, dir).Stderr.String(); !strings.Contains(text, "unknown flag --log-file") {
			t.Errorf("%s says %q", command, text)
		}
	}
}

// TestConfigurationGuide reads the file that configuration.md shows.
func TestConfigurationGuide(t *testing.T) {
	_, rest, ok := strings.Cut(document(t, "cmd/motefs/docs/configuration.md"), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil || !ok || !closed {
		t.Fatalf("no example is found: %v", err)
	}
	text := configured(t, exitOK, "", []string{"MOTEFS_CONFIG=" + file}, "config", "mount").Stdout.String()
	if n := strings.Count(text, " # "+file+":"); n != 6 {
		t.Errorf("%d settings come from the example:\n%s", n, text)
	}
}

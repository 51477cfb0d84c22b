package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// settled parses a command line with a configuration file, and runs check in the place of
// the command.
func settled(t *testing.T, file string, environ map[string]string, check func(a *app, cmd *cobra.Command, args []string) error, args ...string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MOTEFS_CONFIG", path)
	for name, value := range environ {
		t.Setenv(name, value)
	}
	a := newApp(io.Discard, io.Discard)
	root := a.rootCommand()
	root.SetArgs(args)
	cmd, _, err := root.Find(args)
	if err != nil {
		t.Fatal(err)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return check(a, cmd, args) }
	return root.Execute()
}

// TestDaemonOrForeground has the one hold that goes before the other by its place.
func TestDaemonOrForeground(t *testing.T) {
	for _, tc := range []struct {
		file    string
		environ map[string]string
		args    string
		want    string
	}{
		{"", nil, "", "foreground"},
		{"", nil, "--daemon", "daemon"},
		{"", nil, "--daemon --foreground", "usage"},
		{"daemon: true", nil, "", "daemon"},
		{"mount: {daemon: true}", nil, "--foreground", "foreground"},
		{"foreground: true", nil, "--daemon", "daemon"},
		{"daemon: true\nforeground: true", nil, "", "usage"},
		{"daemon: true\nforeground: true", nil, "--daemon", "daemon"},
		{"daemon: true", map[string]string{"MOTEFS_FOREGROUND": "true"}, "", "foreground"},
		{"", map[string]string{"MOTEFS_FOREGROUND": "true"}, "--daemon", "daemon"},
		{"daemon: true", nil, "--daemon=false", "foreground"},
	} {
		got := ""
		err := settled(t, tc.file, tc.environ, func(a *app, cmd *cobra.Command, _ []string) error {
			var f daemonFlags
			var err error
			if f.daemon, err = cmd.Flags().GetBool("daemon"); err != nil {
				return err
			}
			if f.foreground, err = cmd.Flags().GetBool("foreground"); err != nil {
				return err
			}
			f.wait = 1
			switch err := f.validate(cmd, a.settings); {
			case err != nil && exitStatus(err) == exitUsage:
				got = "usage"
			case err != nil:
				return err
			case f.daemon:
				got = "daemon"
			default:
				got = "foreground"
			}
			return nil
		}, append(append([]string{"mount"}, strings.Fields(tc.args)...), "http://h", "/m")...)
		if err != nil || got != tc.want {
			t.Errorf("%q, %v and %q: %s, %v; want %s", tc.file, tc.environ, tc.args, got, err, tc.want)
		}
		for name := range tc.environ {
			os.Unsetenv(name) // t.Setenv restores it at the end
		}
	}
}

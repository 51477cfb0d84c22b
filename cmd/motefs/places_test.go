package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
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
		{"daemon: true", nil, "--foreground=false", "daemon"},
	} {
		t.Run(tc.file+" "+tc.args, func(t *testing.T) {
			got := ""
			err := settled(t, tc.file, tc.environ, func(a *app, cmd *cobra.Command, args []string) error {
				if err := a.fit(cmd, &sourceFlags{}, args[0]); err != nil {
					return err
				}
				daemon, foreground := cmd.Flag("daemon").Value.String() == "true", cmd.Flag("foreground").Value.String() == "true"
				switch {
				case daemon && foreground:
					got = "usage"
				case daemon:
					got = "daemon"
				default:
					got = "foreground"
				}
				return nil
			}, append(append([]string{"mount"}, strings.Fields(tc.args)...), "http://h", "/m")...)
			if err != nil || got != tc.want {
				t.Errorf("%s, %v; want %s", got, err, tc.want)
			}
		})
	}
}

// TestStoreOrOperand has what a command is asked for go before the store of the settings.
func TestStoreOrOperand(t *testing.T) {
	place := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", place)
	below, other := filepath.Join(place, "motefs", "a"), filepath.Join(t.TempDir(), "b")
	for dir, origin := range map[string]string{below: "http://a", other: "http://b"} {
		store, err := cache.Open(cache.Options{Dir: dir, Origin: origin})
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set := map[string]string{"MOTEFS_STORE": other}
	for _, tc := range []struct {
		environ map[string]string
		args    string
		want    string // usage: refused
	}{
		{set, "status", other},
		{set, "status http://a", below},
		{set, "status http://b", other},
		{set, "failures " + below, below},
		{nil, "status --store " + other, other},
		{nil, "failures --store " + other + " http://a", "usage"},
		{set, "status --store " + other + " " + below, "usage"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			err := settled(t, "", tc.environ, func(a *app, cmd *cobra.Command, args []string) (err error) {
				f := &storeFlag{}
				if f.dir, err = cmd.Flags().GetString("store"); err != nil {
					return err
				}
				got, err := f.locate(args, a.settings.Place(cmd, "store"))
				if err != nil && exitStatus(err) == exitUsage {
					got, err = "usage", nil
				}
				if got != tc.want {
					t.Errorf("it is %q, want %q", got, tc.want)
				}
				return err
			}, strings.Fields(tc.args)...)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSettingsOfOtherOrigins has a file of configuration serve origins of all kinds.
func TestSettingsOfOtherOrigins(t *testing.T) {
	file := "region: r\nprofile: p\nendpoint-url: http://e\npath-style: on\nlisters: 3\nlist-path: l\nget-path: g\nnames-field: f"
	const bucket = "r http://e p 3 on | "
	for _, tc := range []struct{ file, args, want string }{
		{file, "http://h", "  " + " 8 auto | l f g"},
		{file, "s3://b", bucket + "  g"},
		{file, "--list-path x s3://b", bucket + "x  g"}, // which is refused later
		{file, "--region x http://h", "x   8 auto | l f g"},
		{file, "--names n http://h", "   8 auto |   g n"},
		{file + "\nnames: n", "http://h", "   8 auto | l f g n"}, // refused later: one file says both
		{"names: n\nnull: true", "--list-path x http://h", "8 auto | x"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			err := settled(t, tc.file, nil, func(a *app, cmd *cobra.Command, args []string) error {
				f := &sourceFlags{}
				f.names = cmd.Flag("names").Value.String()
				if err := a.fit(cmd, f, args[0]); err != nil {
					return err
				}
				got := ""
				for _, name := range []string{"region", "endpoint-url", "profile", "listers", "path-style", "", "list-path", "names-field", "get-path", "names"} {
					if name == "" {
						got += "| "
						continue
					}
					got += cmd.Flag(name).Value.String() + " "
				}
				if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(tc.want), " ") {
					t.Errorf("the flags are %q, want %q", got, tc.want)
				}
				return nil
			}, append([]string{"mirror"}, strings.Fields(tc.args)...)...)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWhatIsAskedFor has a flag be answered whatever a file says of those that exclude it.
func TestWhatIsAskedFor(t *testing.T) {
	for _, tc := range []struct{ file, args, want string }{
		{"refresh: names", "--retry-failed", "true  0"},
		{"sample: 3", "--retry-failed", "true  0"},
		{"retry-failed: true", "--refresh", "false names 0"},
		{"sample: 3", "--refresh=contents", "false contents 0"},
		{"refresh: names", "--sample=3", "false  3"},
		{"", "--sample=3 --refresh", "false names 3"}, // which is refused later
	} {
		t.Run(tc.file+" "+tc.args, func(t *testing.T) {
			err := settled(t, tc.file, nil, func(a *app, cmd *cobra.Command, args []string) error {
				if err := a.fit(cmd, &sourceFlags{}, args[0]); err != nil {
					return err
				}
				value := func(flag string) string { return cmd.Flag(flag).Value.String() }
				if got := value("retry-failed") + " " + value("refresh") + " " + value("sample"); got != tc.want {
					t.Errorf("the flags are %q, want %q", got, tc.want)
				}
				return nil
			}, append(append([]string{"mirror"}, strings.Fields(tc.args)...), "http://h")...)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/spf13/pflag"
)

// TestEveryFlagWithSegments: each flag of mirror and mount is one that a mirror in segments has a use
// for, or it is refused in a line that says why; a new flag has to be one of both.
func TestEveryFlagWithSegments(t *testing.T) {
	t.Parallel()
	all := []string{ // of every command
		"config", "help", "log-file", "log-format", "log-level", "quiet", "progress", "metrics", "metrics-host",
		"segments", "segments-endpoint-url", "segments-path-style", "segments-profile", "segments-region",
		"store", "reserve", "ca-cert",
	}
	used := map[string][]string{
		"mirror": append([]string{
			"cluster", "cluster-haste", "cluster-listen", "nats-creds", "segment-names", "json", "metrics-textfile",
			"connections", "header", "limit-files", "limit-rate", "max-file-size", "max-gone", "outage", "pipeline",
			"names", "null", "get-path", "list-path", "marker-param", "names-field", "next-field", "name-field", "size-field", "mtime-field", "etag-field",
		}, s3Names...),
		"mount": {
			"origin", "cache-size", "prefetch-all", "allow-other", "allow-non-empty", "exec", "uid", "gid", "umask",
			"daemon", "daemon-wait", "foreground",
		},
	}
	refused := map[string][]unfit{"mirror": notMirrored, "mount": append(slices.Clone(notMounted), notAsked...)}
	root := newApp(io.Discard, io.Discard).rootCommand()
	for name, not := range refused {
		cmd, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		cmd.InitDefaultHelpFlag()
		for _, flag := range slices.Concat(all, used[name]) {
			if cmd.Flag(flag) == nil {
				t.Errorf("%s has no flag --%s", name, flag)
			}
		}
		var known []string
		for _, of := range not {
			known = append(known, of.flags...)
		}
		for _, flag := range known {
			if slices.Contains(all, flag) || slices.Contains(used[name], flag) {
				t.Errorf("%s: --%s is used, and refused", name, flag)
			}
		}
		see := func(f *pflag.Flag) {
			if !slices.Contains(all, f.Name) && !slices.Contains(used[name], f.Name) && !slices.Contains(known, f.Name) {
				t.Errorf("%s: --%s is neither used with --segments, nor refused", name, f.Name)
			}
		}
		cmd.LocalFlags().VisitAll(see)
		cmd.InheritedFlags().VisitAll(see)
		for _, of := range not {
			for _, flag := range of.flags {
				p := finish(t, exitUsage, name, "--config", "/dev/null", "--segments", "file:///nowhere", "--"+flag+"="+valueOf(cmd.Flags().Lookup(flag)), "http://127.0.0.1:1")
				if text := p.Stderr.String(); !strings.Contains(text, "--"+flag+" does not go with --segments: "+of.why) {
					t.Errorf("%s --%s: it says %q", name, flag, text)
				}
			}
		}
	}
}

// valueOf is a value that a flag takes.
func valueOf(f *pflag.Flag) string {
	return map[string]string{"bool": "true", "int": "3", "int64": "3", "duration": "1h", "bytes": "1K", "N or N%": "5%", "names|contents": "names"}[f.Value.Type()]
}

// TestSettingsForOtherMirrors: what the environment says of another kind of mirror is left out, where
// on the command line it would be a mistake.
func TestSettingsForOtherMirrors(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(30))
	url := "file://" + filepath.Join(t.TempDir(), "objects")
	run := func(settings []string, args ...string) string {
		t.Helper()
		cmd := motefs(t, args...)
		cmd.Env = append(cmd.Env, settings...)
		p := process.Start(t, cmd)
		if status := p.Wait(); status != exitOK {
			t.Errorf("motefs %q with %q exits with %d: %s", args, settings, status, p.Stderr)
		}
		return p.Stdout.String() + p.Stderr.String()
	}
	plain := []string{"MOTEFS_RETRY_FAILED=true", "MOTEFS_REFRESH=names", "MOTEFS_MAX_DELETE=5%"}
	run(plain, "mirror", "--segments", url, "--store", filepath.Join(t.TempDir(), "work"), s.URL())
	shared := []string{"MOTEFS_SEGMENTS_REGION=x", "MOTEFS_CLUSTER=nats://127.0.0.1:1", "MOTEFS_NATS_CREDS=x"}
	store := filepath.Join(t.TempDir(), "store")
	run(shared, "mirror", "--store", store, s.URL())
	for _, more := range [][]string{{"MOTEFS_SEGMENTS=" + url}, {"MOTEFS_SEGMENTS=" + url, "MOTEFS_CLUSTER=nats://127.0.0.1:1"}, {"MOTEFS_CLUSTER=embedded"}} {
		if out := run(append(more, "MOTEFS_SEGMENTS_PROFILE=x"), "status", "--store", store); !strings.Contains(out, s.URL()) {
			t.Errorf("with %q the status is %s", more, out)
		}
	}
	// Another object store's, and other servers'.
	run(append(shared[:1:1], "MOTEFS_NATS_CREDS=/nowhere", "MOTEFS_CLUSTER_LISTEN=127.0.0.1:1"), "mirror", "--segments", url, "--store", filepath.Join(t.TempDir(), "work"), s.URL())
	// A container has one store in its environment for all commands.
	if out := run([]string{"MOTEFS_STORE=" + store, "MOTEFS_SEGMENTS_REGION=x"}, "status", "--segments", url); !strings.Contains(out, "complete\n  listed    30") {
		t.Errorf("the status is %s", out)
	}
	b := newBackground(t)
	run([]string{"MOTEFS_SEGMENTS_REGION=x", "MOTEFS_SEGMENTS=" + url, "MOTEFS_LIMIT_RATE=1M", "MOTEFS_MAX_GONE=5%", "MOTEFS_CONNECTIONS=3", "MOTEFS_HEADER=A: b"}, b.args(b.dir)...)
	if n := strings.TrimSpace(shell(t, `find "$1" -type f | wc -l`, b.dir)); n != fmt.Sprint(30) {
		t.Errorf("%s files are there", n)
	}
	finish(t, exitOK, "unmount", b.dir)
	b.gone()
}

// TestSecretsOfSegments: passwords in the URLs of NATS and of an origin are not shown.
func TestSecretsOfSegments(t *testing.T) {
	t.Parallel()
	cmd := motefs(t, "config", "mirror", "mount")
	cmd.Env = append(cmd.Env, "MOTEFS_CLUSTER=nats://u:secret@a,nats://u:secret@b", "MOTEFS_ORIGIN=http://u:secret@h", "MOTEFS_SEGMENTS_ENDPOINT_URL=http://u:secret@h")
	p := process.Start(t, cmd)
	if status := p.Wait(); status != exitOK || strings.Contains(p.String(), "secret") || !strings.Contains(p.Stdout.String(), "not all is shown") {
		t.Errorf("status %d: %s", status, p)
	}
}

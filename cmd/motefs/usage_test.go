package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestStatuses has every mistake that a user can make answered in one line, with
// the documented status.
func TestStatuses(t *testing.T) {
	s := serveTest(t, serve.Options{}, synthetic(5))
	login := serveTest(t, serve.Options{}, synthetic(5))
	login.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault {
		return origintest.Fault{Body: []byte("<html>log in</html>")}
	}})
	down := serveTest(t, serve.Options{}, synthetic(5))
	if err := down.Close(); err != nil {
		t.Fatal(err)
	}
	dir, empty := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	for _, tc := range []struct {
		status int
		says   string
		args   []string
	}{
		{exitUsage, "did you mean motefs mount", []string{"mont"}},
		{exitUsage, "or motefs unmount?", []string{"umount", dir}},
		{exitUsage, "did you mean motefs mirror", []string{"sync", dir}},
		{exitUsage, `motefs: unknown command "ls" (see motefs --help)`, []string{"ls"}},
		{exitUsage, "did you mean motefs mount", []string{"help", "mont"}},
		{exitUsage, "motefs: MOUNTPOINT is missing: motefs mount [flags] ORIGIN MOUNTPOINT (see motefs mount --help)", []string{"mount", s.URL()}},
		{exitUsage, "ORIGIN and MOUNTPOINT are missing", []string{"mount"}},
		{exitUsage, "more words", []string{"mirror", s.URL(), "more"}},
		{exitUsage, "nothing but flags", []string{"version", "more"}},
		{exitUsage, "unknown flag --conections: did you mean --connections? (see motefs mirror --help)", []string{"mirror", "--conections", "3", s.URL()}},
		{exitUsage, "unknown flag -x", []string{"mirror", "-xsecret", s.URL()}},
		{exitUsage, "its value is missing", []string{"mirror", s.URL(), "--store"}},
		{exitUsage, "do not go together", []string{"verify", "--store", store, "--repair", "--reclaim"}},
		{exitUsage, "--connections", []string{"mirror", "--connections", "0", s.URL()}},
		{exitUsage, `--connections "many": give a whole number (`, []string{"mirror", "--connections", "many", s.URL()}},
		{exitUsage, "scheme ftp is not known; give one such as", []string{"mirror", "ftp://host"}},
		{exitUsage, "give http://host:80 or https://host:80 (", []string{"mirror", "host:80"}},
		{exitUsage, "its port is no number", []string{"mirror", "http://host:port"}},
		{exitUsage, "unit, such as 90s", []string{"mirror", "--outage", "5", s.URL()}},
		{exitUsage, "query", []string{"mirror", "--store", empty, s.URL() + "?a=b"}},
		{exitUsage, "--header", []string{"mirror", "--store", empty, "--header", "no colon", s.URL()}},
		{exitUsage, "eader", []string{"mirror", "--store", empty, "--header", "Host: x", s.URL()}},
		{exitUsage, "--pipeline", []string{"mirror", "--store", empty, "--pipeline", "sometimes", s.URL()}},
		{exitUsage, "--limit-files", []string{"mirror", "--limit-files", "-1", s.URL()}},
		{exitUsage, "number of bytes", []string{"mirror", "--limit-rate", "fast", s.URL()}},
		{exitUsage, "--max-file-size", []string{"mirror", "--max-file-size", "0", s.URL()}},
		{exitUsage, "goes with --names", []string{"mirror", "-0", s.URL()}},
		{exitUsage, "give a file", []string{"mirror", "--names", "", s.URL()}},
		{exitUsage, "takes the place of the listing", []string{"mirror", "--names", file, "--list-path", "l", s.URL()}},
		{exitUsage, "it is empty", []string{"mirror", "--names-field", "", s.URL()}},
		{exitUsage, "cannot both", []string{"mirror", "--names-field", "x", "--next-field", "x", s.URL()}},
		{exitUsage, "behind the base URL", []string{"mirror", "--get-path", "http://host/", s.URL()}},
		{exitUsage, "no such file", []string{"mirror", "--store", empty + "/n", "--names", filepath.Join(dir, "nothing"), s.URL()}},
		{exitUsage, "read again", []string{"mount", "--store", filepath.Join(t.TempDir(), "s"), "--names", "-", "--refresh-every", "1h", s.URL(), t.TempDir()}},
		{exitStore, "/{name}; give another --store", []string{"mirror", "--store", store, "--names", file, s.URL()}},
		{exitOrigin, "cannot be reached", []string{"mirror", "--store", filepath.Join(empty, "s3"), "--names", file, down.URL()}},
		{exitOrigin, "page without files", []string{"mirror", "--store", filepath.Join(empty, "s4"), "--names-field", "files", s.URL()}},
		{exitUsage, "--log-level", []string{"mirror", "--log-level", "loud", s.URL()}},
		{exitUsage, "--log-format", []string{"mirror", "--log-format", "xml", s.URL()}},
		{exitUsage, "give either", []string{"serve"}},
		{exitUsage, "both --cert and --key", []string{"serve", "--cert", file, dir}},
		{exitUsage, "an address and a port", []string{"serve", "--listen", "host", dir}},
		{exitError, "another program listens there", []string{"serve", "--listen", strings.TrimPrefix(s.URL(), "http://"), dir}},
		{exitUsage, "serve", []string{"serve", filepath.Join(dir, "nothing")}},
		{exitUsage, "part of a whole", []string{"serve", "--synthetic", "10", "--changed", "101%"}},
		{exitUsage, "more than all", []string{"serve", "--synthetic", "10", "--changed", "60%", "--removed", "60%"}},
		{exitUsage, "in the order of its names", []string{"serve", "--s3", "--synthetic", "10", "--shuffle"}},
		{exitUsage, "in the order of its names", []string{"serve", "--s3", "--synthetic", "2000000", "--files-per-dir", "1"}},
		{exitUsage, "token", []string{"serve", "--s3", "--synthetic", "10", "--token", "t"}},
		{exitUsage, "bucket", []string{"serve", "--s3", "--synthetic", "10", "--bucket", "no/slash"}},
		{exitUsage, "go with --s3", []string{"serve", "--synthetic", "10", "--access-key", "a", "--secret-key", "s"}},
		{exitUsage, "its secret", []string{"serve", "--s3", "--synthetic", "10", "--access-key", "a"}},
		{exitUsage, "its secret", []string{"serve", "--s3", "--synthetic", "10", "--secret-key", "s"}},
		{exitUsage, "--store", []string{"verify"}},
		{exitUsage, "--files", []string{"demo", "--files", "0"}},
		{exitMountpoint, "does not exist", []string{"mount", s.URL(), filepath.Join(dir, "nothing")}},
		{exitMountpoint, "not a directory", []string{"mount", s.URL(), file}},
		{exitMountpoint, "store", []string{"mount", "--store", store, s.URL(), filepath.Join(store, "db")}},
		{exitMountpoint, "store", []string{"mount", "--store", filepath.Join(empty, "store"), s.URL(), empty}},
		{exitMountpoint, "nothing is mounted", []string{"unmount", empty}},
		{exitStore, "other", []string{"mirror", "--store", store, login.URL()}},
		{exitUsage, "ORIGIN comes before MOUNTPOINT", []string{"mount", dir, s.URL()}},
		{exitOrigin, "leave out /list at the end", []string{"mirror", "--store", filepath.Join(empty, "s5"), s.URL() + "/list"}},
		{exitStore, "not a directory; give one to --store", []string{"mirror", "--store", file, s.URL()}},
		{exitStore, "not a directory; give one to --store", []string{"mirror", "--store", filepath.Join(file, "store"), s.URL()}},
		{exitMountpoint, "make it with: mkdir -p", []string{"mount", s.URL(), filepath.Join(dir, "nothing")}},
		{exitStore, "not a store", []string{"mirror", "--store", filepath.Dir(file), s.URL()}},
		{exitStore, "motefs: there is no store at", []string{"verify", "--store", filepath.Join(dir, "nothing")}},
		{exitStore, "is not a store of motefs: it has no FORMAT file\n", []string{"verify", "--store", dir}},
		{exitOrigin, "cannot be listed", []string{"mirror", "--store", filepath.Join(empty, "s1"), down.URL()}},
		{exitOrigin, "log in", []string{"mirror", "--store", filepath.Join(empty, "s2"), login.URL()}},
		{exitOrigin, "cannot be listed", []string{"mount", "--store", filepath.Join(t.TempDir(), "s"), down.URL(), t.TempDir()}},
		{exitMountpoint, "give --allow-non-empty", []string{"mount", "--store", filepath.Join(t.TempDir(), "s"), s.URL(), dir}},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			if tc.args[0] == "mount" && tc.status == exitOrigin {
				fusetest.Need(t) // else that is told first
			}
			p := finish(t, tc.status, tc.args...)
			text := p.Stderr.String()
			if !strings.Contains(text, tc.says) || strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "motefs: ") {
				t.Errorf("it says %q, want one line with %q", text, tc.says)
			}
		})
	}
	busy := startMount(t, s.URL())
	p := finish(t, exitMountpoint, "mount", "--store", filepath.Join(t.TempDir(), "s"), s.URL(), busy.dir)
	if !strings.Contains(p.Stderr.String(), "mounted") {
		t.Errorf("a busy mountpoint: %q", p.Stderr)
	}
	busy.stop()
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"help"}, {"help", "mount"}, {"mount", "--help"}, {"version"}, {"--version"}} {
		p := finish(t, exitOK, args...)
		if p.Stdout.String() == "" || p.Stderr.String() != "" {
			t.Errorf("motefs %q prints %q and %q", args, p.Stdout, p.Stderr)
		}
	}
	for _, command := range []string{"help", "mount", "mirror", "verify", "serve", "unmount", "demo", "version"} {
		for _, line := range lines(finish(t, exitOK, command, "--help").Stdout.String()) {
			if utf8.RuneCountInString(line) > usualColumns {
				t.Errorf("the help of %s has a line of over %d columns: %q", command, usualColumns, line)
			}
		}
	}
}

func TestOriginID(t *testing.T) {
	for raw, want := range map[string]string{
		"http://Host:80":           "http://host",
		"HTTP://host/":             "http://host",
		"https://host:443/a/b//":   "https://host/a/b",
		"http://host:8080/a%2fb":   "http://host:8080/a%2fb",
		"http://[::1]:8080":        "http://[::1]:8080",
		"http://[::1]":             "http://[::1]",
		"https://host:80/UPPER/":   "https://host:80/UPPER",
		"http://127.0.0.1:8080///": "http://127.0.0.1:8080",
	} {
		got, err := originID(raw)
		if err != nil || got != want {
			t.Errorf("originID(%q) = %q, %v; want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "host", "ftp://host", "http://", "http://:", "http://:8080", "http:///a"} {
		if got, err := originID(raw); err == nil {
			t.Errorf("originID(%q) = %q", raw, got)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]size{"0": 0, "500": 500, "64K": 64 << 10, "64kib": 64 << 10, "10M": 10 << 20, "2GiB": 2 << 30} {
		var got size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.5M", "M", "9999999999G", "10 MB"} {
		var got size
		if err := got.Set(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestFractions(t *testing.T) {
	for text, want := range map[string]fraction{"0": 0, "0.25": .25, "25%": .25, "1": 1, "100%": 1, "0.5%": .005} {
		var got fraction
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "-1%", "2", "101%", "NaN", "1 %", "a"} {
		var got fraction
		if err := got.Set(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestStoreNamesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"http://host", "https://host", "http://host/a/b", "http://host/a_b", "http://host:80", "http://" + strings.Repeat("x", 300)} {
		name := storeName(id)
		if other, ok := seen[name]; ok || strings.ContainsAny(name, "/\x00") || len(name) > 100 {
			t.Errorf("%q and %q are both %q", id, other, name)
		}
		seen[name] = id
	}
}

package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/origintest/rawhttp"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// What SEMANTICS.md says of attributes, on a real mount of a real store.

// xattrVar makes the test binary print an extended attribute, as getfattr would:
// this process must not touch a mount (golang/go#21014).
const xattrVar = "MOTEFS_TEST_XATTR"

func init() {
	attr := os.Getenv(xattrVar)
	if attr == "" {
		return
	}
	buf := make([]byte, 64<<10)
	n, err := unix.Getxattr(os.Args[1], attr, buf)
	if err != nil {
		fmt.Print(unix.ErrnoName(err.(unix.Errno)))
		os.Exit(0)
	}
	os.Stdout.Write(buf[:n])
	os.Exit(0)
}

func xattr(t *testing.T, path, attr string) string {
	t.Helper()
	out, err := process.Self(t, xattrVar, attr, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// rawGet is the body at a URL, asked for exactly as it is written; net/http would
// clean it.
func rawGet(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, target, _ := strings.Cut(raw, u.Host)
	_, body := rawhttp.Ask(t, u.Host, "GET", target)
	return body
}

func TestXAttrURLFetchesTheFile(t *testing.T) {
	t.Parallel()
	names := []string{"plain", "a b", "d/e/f", "..", "x/../y", "", "a//b", "nul\x00", "%%", "%41", "new\nline", "\xff", "ünï", "a?b#c&d=e+f",
		`back\slash"`, "~-._!$'()*,;:@", strings.Repeat("o", 300)}
	s := serveTest(t, serve.Options{}, filesNamed(names...))
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	for _, n := range names {
		path, err := cache.SplitName(nil, n)
		if err != nil {
			t.Fatal(err)
		}
		raw := xattr(t, m.dir+"/"+strings.Join(path, "/"), "user.motefs.url")
		if !strings.HasPrefix(raw, s.URL()+"/get/") {
			t.Errorf("%q has the URL %q", n, raw)
		} else if got := rawGet(t, raw); got != "body of "+n {
			t.Errorf("%q has the URL %q, and that the body %q", n, raw, got)
		}
	}
	if got := xattr(t, m.dir+"/d", "user.motefs.url"); got != s.URL()+"/get/d/" {
		t.Errorf("a directory has the URL %q", got)
	}
	m.stop()
}

func TestAttributesInTheMount(t *testing.T) {
	t.Parallel()
	when := time.Unix(1_234_567_890, 0)
	s := serveTest(t, serve.Options{}, origintest.NewFiles(
		origintest.File{Name: "dated", Body: make([]byte, 5000), ModTime: when, ETag: `"v1"`},
		origintest.File{Name: "undated", Body: []byte("x")}, origintest.File{Name: "empty"}, origintest.File{Name: "dir/f", Body: []byte("x")}))
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	began := time.Now().Unix()
	// stat fetches: the size is right from the first look on.
	if got := shell(t, `cd "$1"; stat -c '%n %s %b %h %a %X %Y %Z %W' dated; stat -c '%n %s %b %h %a' undated empty dir dir/f`, m.dir); got !=
		"dated 5000 10 1 444 1234567890 1234567890 1234567890 0\nundated 1 1 1 444\nempty 0 0 1 444\ndir 0 0 1 555\ndir/f 1 1 1 444\n" {
		t.Errorf("stat prints %q", got)
	}
	for _, name := range []string{"", "dir"} {
		got, err := strconv.ParseInt(strings.TrimSpace(shell(t, `stat -c %Y "$1/$2"`, m.dir, name)), 10, 64)
		if err != nil || got < began-60 || got > time.Now().Unix() {
			t.Errorf("directory %q has the time %d, %v", name, got, err)
		}
	}
	times := shell(t, `stat -c '%X %Y %Z' "$1/undated"`, m.dir)
	fetched, err := strconv.ParseInt(strings.Fields(times)[1], 10, 64)
	if err != nil || fetched < began-1 || fetched > time.Now().Unix() {
		t.Errorf("a file without Last-Modified has the times %q", times)
	}
	if got, want := xattr(t, m.dir+"/undated", "user.motefs.fetched"), time.Unix(fetched, 0).UTC().Format(time.RFC3339); got != want {
		t.Errorf("user.motefs.fetched is %q, want %q", got, want)
	}
	for _, c := range [][3]string{{"dated", "etag", `"v1"`}, {"undated", "etag", "ENODATA"}, {"dated", "state", "here"}, {"dir", "state", "listed"}, {"", "state", "listed"}} {
		if got := xattr(t, filepath.Join(m.dir, c[0]), "user.motefs."+c[1]); got != c[2] {
			t.Errorf("%s of %q is %q, want %q", c[1], c[0], got, c[2])
		}
	}
	if got := shell(t, `stat -f -c '%s %l %c %b %f %a' "$1"; stat -c %i "$1"; df --output=source "$1" | tail -n 1`, m.dir); got != "4096 255 5 2 0 0\n1\n"+s.URL()+"\n" {
		t.Errorf("statfs and the root are %q", got)
	}
	// Numbers and order are kept over a restart.
	const numbers = `cd "$1"; find . -mindepth 1 -printf '%i %p %T@\n'`
	before := shell(t, numbers, m.dir)
	m.stop()
	again := m.again(s.URL())
	if after := shell(t, numbers, m.dir); after != before {
		t.Errorf("before a restart %q, after it %q", before, after)
	}
	again.stop()
}

// TestOwnerAndUmask has other users look at a mount; that needs root.
func TestOwnerAndUmask(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	s := serveTest(t, serve.Options{}, filesNamed("f", "d/g"))
	as := func(uid uint32, script, dir string) string {
		cmd := exec.Command("sh", "-c", script, "sh", dir)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "LC_ALL=C")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	const owner, other = 12345, 54321
	for _, c := range []struct {
		args       []string
		stat       string // of a file, a directory
		asOwner    string
		asStranger string
	}{
		{nil, "0 0 444 555", "Permission denied", "Permission denied"},
		{[]string{"--allow-other"}, "0 0 444 555", "body of f", "body of f"},
		{[]string{"--uid", "12345"}, "12345 0 444 555", "Permission denied", "Permission denied"},
		{[]string{"--allow-other", "--uid", "12345", "--gid", "12345", "--umask", "077"}, "12345 12345 400 500", "body of f", "Permission denied"},
		{[]string{"--allow-other", "--umask", "0"}, "0 0 444 555", "body of f", "body of f"},
		{[]string{"--allow-other", "--umask", "0777"}, "0 0 0 0", "Permission denied", "Permission denied"},
		{[]string{"--allow-other", "--gid", "7", "--umask", "022"}, "0 7 444 555", "body of f", "body of f"},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			m := startMount(t, s.URL(), append(c.args, "--prefetch-all")...)
			m.Logs("mirror is complete")
			for d := m.dir; d != os.TempDir(); d = filepath.Dir(d) {
				if d != m.dir {
					if err := os.Chmod(d, 0o755); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := shell(t, `echo $(stat -c '%u %g %a' "$1/f") $(stat -c %a "$1/d")`, m.dir); got != c.stat+"\n" {
				t.Errorf("stat says %q, want %q", got, c.stat)
			}
			if got := shell(t, `stat -c '%u %g %a' "$1"`, m.dir); !strings.HasPrefix(c.stat, got[:strings.LastIndexByte(got, ' ')]) {
				t.Errorf("the root is %q, want as %q", got, c.stat)
			}
			if got := shell(t, `cat "$1/f"`, m.dir); got != "body of f" { // as root
				t.Errorf("root reads %q", got)
			}
			if got := as(owner, `cat "$1/f"`, m.dir); !strings.Contains(got, c.asOwner) {
				t.Errorf("%d sees %q, want %q", owner, got, c.asOwner)
			}
			if got := as(other, `cat "$1/f"`, m.dir); !strings.Contains(got, c.asStranger) {
				t.Errorf("%d sees %q, want %q", other, got, c.asStranger)
			}
			m.stop()
		})
	}
	for _, args := range [][]string{{"--uid", "root"}, {"--uid", "-1"}, {"--gid", "4294967295"}, {"--gid", ""}, {"--umask", "8"}, {"--umask", "1000"}, {"--umask", "u=rw"}} {
		p := finish(t, exitUsage, append(append([]string{"mount"}, args...), s.URL(), t.TempDir())...)
		if text := p.Stderr.String(); !strings.Contains(text, args[0]) || strings.Count(text, "\n") != 1 {
			t.Errorf("%q: it says %q", args, text)
		}
	}
}

// TestExecFlag runs a file of the mount as a program.
func TestExecFlag(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, origintest.NewFiles(origintest.File{Name: "script", Body: []byte("#!/bin/sh\necho ran\n")}))
	for flag, want := range map[string]string{"--exec": "ran\n", "--exec=false": "Permission denied"} {
		m := startMount(t, s.URL(), flag)
		if out, _ := process.Run(t, "sh", "-c", `exec "$1"`, "sh", m.dir+"/script"); !strings.Contains(out, want) {
			t.Errorf("%s: the script says %q", flag, out)
		}
		m.stop()
	}
}

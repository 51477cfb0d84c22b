package main

import (
	"bytes"
	"fmt"
	iofs "io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// secret is in everything that must not come out; it does not compress.
const secret = "s3cr3tQz7Wx"

// holds reports whether text has the secret in it, as it is or as Proxy-Authorization
// has it.
func holds(text []byte) bool {
	return bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte("czNjcjN0UXo3V"))
}

// checkStore looks for the secret in every byte and name below a directory, and for
// what is there, so that the search is known to find something.
func checkStore(t *testing.T, dir, there string) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if holds(text) || holds([]byte(path)) {
			t.Errorf("the secret is in %s", path)
		}
		found = found || bytes.Contains(text, []byte(there))
		return err
	})
	if err != nil || !found {
		t.Errorf("looking for %q in %s: %t, %v", there, dir, found, err)
	}
}

// checkSilent looks for the secret in what a process prints.
func checkSilent(t *testing.T, p *process.Process) {
	t.Helper()
	if holds([]byte(p.Stdout.String() + p.Stderr.String())) {
		t.Errorf("the secret is in what is printed by %s", p)
	}
}

// seen are the headers of the requests that reached a server.
type seen struct {
	mu   sync.Mutex
	with map[string]int // requests that had the secret in a field
	all  int
}

func (s *seen) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all++
	for name, values := range r.Header {
		if holds([]byte(strings.Join(values, " "))) {
			s.with[name]++
		}
	}
}

func (s *seen) of(name string) (with, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.with[name], s.all
}

// proxyTo serves a proxy that passes everything on to one server.
func proxyTo(t *testing.T, to string) (addr string, requests *seen) {
	t.Helper()
	requests = &seen{with: map[string]int{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Host = to }}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.note(r)
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String(), requests
}

// TestSecrets gives a secret in every way in which one can be given, has the origin
// refuse files, redirect them to signed URLs and repeat names, and looks for the
// secret in all output, in /proc, in OWNER and in every byte of the store.
func TestSecrets(t *testing.T) {
	t.Parallel()
	src := synthetic(300)
	s := serveTest(t, serve.Options{}, src)
	s.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		switch string(name) {
		case src.Name(7):
			return origintest.Fault{Status: 403}
		case src.Name(8):
			return origintest.Fault{Location: "https://me:" + secret + "@bucket.test/" + src.Name(8) + "?X-Signature=" + secret}
		case src.Name(9):
			return origintest.Fault{Header: map[string]string{"Content-Encoding": "odd"}}
		}
		return origintest.Fault{}
	}})
	addr, requests := proxyTo(t, strings.TrimPrefix(s.URL(), "http://"))
	file := filepath.Join(t.TempDir(), "fields")
	write(t, file, []byte("# a comment: "+secret+"\n\nX-File: "+secret+"\r\n  X-Other :  "+secret))
	env := []string{"MOTEFS_HEADER=X-Env: " + secret + "\nX-Both: nothing", "HTTP_PROXY=http://" + secret + ":" + secret + "@" + addr}
	args := []string{"--log-level", "debug", "--header", "X-Literal: " + secret, "--header", "X-Both: " + secret, "--header", "@" + file}
	for _, format := range []string{"console", "json"} {
		m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
		t.Cleanup(m.clear)
		run := func(command string, more ...string) *process.Process {
			cmd := motefs(t, append(append([]string{"--header=X-First: " + secret, command, "--log-format", format, "--store", m.store}, args...), more...)...)
			cmd.Env = append(cmd.Env, env...)
			return process.Start(t, cmd)
		}
		p := run("mount", "http://o.test", m.dir)
		p.Says("serving")
		shell(t, `ls -l "$1" >/dev/null 2>&1 || true; cat "$1"/* 2>/dev/null | wc -c`, m.dir)
		owner, err := os.ReadFile(filepath.Join(m.store, "OWNER"))
		if err != nil || holds(owner) || !strings.Contains(string(owner), fmt.Sprint(p.Pid())) {
			t.Errorf("OWNER says %q, %v", owner, err)
		}
		mounts, err := os.ReadFile("/proc/mounts")
		if err != nil || holds(mounts) {
			t.Errorf("the secret is in the table of mounts: %v", err)
		}
		locked := run("mirror", "http://o.test")
		if status := locked.Wait(); status != exitStore {
			t.Errorf("status %d: %s", status, locked)
		}
		finish(t, exitOK, "unmount", m.dir)
		if status := p.Wait(); status != exitOK {
			t.Errorf("status %d: %s", status, p)
		}
		// It would ask for what does not come for half a minute.
		mirror := run("mirror", "http://o.test")
		mirror.Logs(map[string]string{"console": "failed=3", "json": `"failed":3`}[format])
		mirror.Signal(os.Interrupt)
		if status := mirror.Wait(); status != exitInterrupted {
			t.Errorf("status %d: %s", status, mirror)
		}
		failed := finish(t, exitOK, "failures", "--store", m.store)
		if text := failed.Stdout.String(); !strings.Contains(text, "bucket.test") {
			t.Errorf("the redirect is not told of: %s", text)
		}
		for _, p := range []*process.Process{p, locked, mirror, failed} {
			checkSilent(t, p)
		}
		checkStore(t, m.store, "bucket.test")
	}
	for _, name := range []string{"X-Literal", "X-Both", "X-File", "X-Other", "X-Env", "X-First"} {
		if with, all := requests.of(name); with == 0 || with != all {
			t.Errorf("%s came with %d of %d requests", name, with, all)
		}
	}
}

// TestSecretsOnlyInFiles starts a mount with its secrets in a file and in the
// environment: nothing of them is in /proc, where all users read.
func TestSecretsOnlyInFiles(t *testing.T) {
	s := serveTest(t, serve.Options{Token: secret}, synthetic(5))
	file := filepath.Join(t.TempDir(), "fields")
	write(t, file, []byte("Authorization: Bearer "+secret))
	finish(t, exitOrigin, "mirror", "--store", filepath.Join(t.TempDir(), "store"), s.URL())
	for _, variable := range []bool{false, true} {
		m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
		t.Cleanup(m.clear)
		args := []string{"mount", "--store", m.store, s.URL(), m.dir}
		cmd := motefs(t, args...)
		cmd.Env = append(cmd.Env, "MOTEFS_HEADER=Authorization: Bearer "+secret)
		if !variable {
			cmd = motefs(t, append(args, "--header", "@"+file)...)
		}
		m = m.start(cmd)
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.Pid()))
		if err != nil || len(line) == 0 || holds(line) {
			t.Errorf("the command line is %q, %v", line, err)
		}
		info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", m.Pid()))
		if err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("who reads the environment: %v, %v", info, err)
		}
		m.Logs("every name is listed")
		m.stop()
	}
}

// TestSecretsInMistakes makes mistakes with secrets in them: the error shows none.
func TestSecretsInMistakes(t *testing.T) {
	t.Parallel()
	long, odd := filepath.Join(t.TempDir(), "long"), filepath.Join(t.TempDir(), "odd")
	write(t, long, bytes.Repeat([]byte("X: "+secret+"\r\n"), 1<<13))
	write(t, odd, []byte("X: y\n"+secret+"\n"))
	const url = "http://host.test"
	for _, args := range [][]string{
		{"mirror", "http://me:" + secret + "@host.test"},
		{"mirror", "http://" + secret + "@host.test"},
		{"mirror", "http://me:x/" + secret + "@host.test"},
		{"mirror", "http://me:" + secret + "%zz@host.test"},
		{"mirror", "me:" + secret + "@host.test"},
		{"mirror", "ftp://me:" + secret + "@host.test"},
		{"mirror", url + "?token=" + secret},
		{"mirror", url + "/#token=" + secret},
		{"mirror", "http://host test?" + secret},
		{"mount", "http://me:" + secret + "@host.test", "/nowhere"},
		{"verify", "http://me:" + secret + "@host.test"},
		{"verify", url + "?token=" + secret},
		{"http://me:" + secret + "@host.test"},
		{"mirror", "--header", "Authorization " + secret, url},
		{"mirror", "--header", "Bearer " + secret + ": x", url},
		{"mirror", "--header", ": " + secret, url},
		{"mirror", "--header", "X: " + secret + "\x01", url},
		{"mirror", "--header", "Host: " + secret, url},
		{"mirror", "--header", "@" + odd, url},
		{"mirror", "--header", "@" + long, url},
		{"mirror", "--heade", "X: " + secret, url},
		{"mirror", "--heade=X: " + secret, url},
		{"mirror", "-HX: " + secret, url},
		{"mirror", "-H", "X: " + secret, url},
	} {
		checkSilent(t, finish(t, exitUsage, args...))
	}
	for _, variable := range []string{"MOTEFS_HEADER=" + secret, "MOTEFS_HEADER=Bearer " + secret + ": x", "HTTP_PROXY=socks5://me:" + secret + "@host.test",
		"HTTP_PROXY=https://" + secret + "@host.test"} {
		cmd := motefs(t, "mirror", url)
		cmd.Env = append(cmd.Env, variable)
		p := process.Start(t, cmd)
		if status := p.Wait(); status != exitUsage {
			t.Errorf("status %d: %s", status, p)
		}
		checkSilent(t, p)
	}
	cmd := motefs(t, "mirror", url)
	cmd.Env = append(cmd.Env, "HTTP_PROXY=http://"+secret+":"+secret+"@127.0.0.1:1")
	p := process.Start(t, cmd)
	if status := p.Wait(); status != exitOrigin || !strings.Contains(p.Stderr.String(), "proxy http://127.0.0.1:1") {
		t.Errorf("status %d: %s", status, p)
	}
	checkSilent(t, p)
}

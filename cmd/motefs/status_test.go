package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// asked is what motefs status --json says.
func asked(t *testing.T, args ...string) status.Status {
	t.Helper()
	p := finish(t, exitOK, append([]string{"status", "--json"}, args...)...)
	all := jsonObjects(t, p.Stdout.String())
	if len(all) != 1 || p.Stderr.String() != "" {
		t.Fatalf("motefs status %q says %s", args, p)
	}
	return all[0].Status
}

// object is a line of JSON of any kind.
type object struct {
	MessageType string `json:"message_type"`
	Level       string `json:"level"`
	Message     string `json:"message"`
	Code        int    `json:"code"`
	ExitStatus  int    `json:"exit_status"`
	Next        string `json:"next"`
	Name        string `json:"name"`
	status.Status
}

// jsonObjects are the lines of text, each of which has to be one.
func jsonObjects(t *testing.T, text string) []object {
	t.Helper()
	var all []object
	for _, line := range lines(text) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Errorf("no JSON: %q: %v", line, err)
		}
		all = append(all, o)
	}
	return all
}

// TestStatusOfAMount asks for the status of a mount in every way, and for that of its store
// once it is gone.
func TestStatusOfAMount(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: 2000, FilesPerDir: 100}))
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	socket := filepath.Join(m.store, status.SocketName)
	if info, err := os.Lstat(socket); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v: %v", info, err)
	}
	below := filepath.Join(m.dir, strings.TrimSpace(shell(t, `ls -U "$1" | head -n 1`, m.dir)))
	for _, args := range [][]string{{m.dir}, {below}, {"--store", m.store}, {m.store}} {
		st := asked(t, args...)
		if st.State != status.Complete || st.Listed != 2000 || st.Fetched != 2000 || *st.PID != m.Pid() || *st.Command != "mount" ||
			*st.Mountpoint != m.dir || st.Store != m.store || st.Origin != s.URL() || !*st.OriginUp || *st.RunFiles != 2000 || st.Mount == nil {
			t.Errorf("status %q: %+v", args, st)
		}
	}
	if text := finish(t, exitOK, "status", m.dir).Stdout.String(); !strings.Contains(text, "2,000") || !strings.Contains(text, m.dir) || !strings.Contains(text, "complete") {
		t.Errorf("for people: %s", text)
	}
	m.stop()
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	before := state(t, m.store)
	if st := asked(t, "--store", m.store); st.State != status.Complete || st.PID != nil || st.Mountpoint != nil || st.Fetched != 2000 || *st.DiskBytes == 0 {
		t.Errorf("at rest: %+v", st)
	}
	if after := state(t, m.store); after != before {
		t.Errorf("the store was\n%sand is\n%s", before, after)
	}
}

// TestStatusOfNothing: where there is nothing to ask, one line says so.
func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	s := serveTest(t, serve.Options{}, synthetic(10))
	dead := startMount(t, s.URL())
	dead.Signal(syscall.SIGKILL)
	dead.Wait()
	dir, cache := t.TempDir(), t.TempDir()
	foreign := filepath.Join(t.TempDir(), "store")
	finish(t, exitOK, "mirror", "--store", foreign, s.URL())
	if err := os.WriteFile(filepath.Join(foreign, status.SocketName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		status int
		says   string
		args   []string
	}{
		{exitMountpoint, "nothing of motefs is mounted", []string{dir}},
		{exitMountpoint, "nothing of motefs is mounted", []string{filepath.Join(dir, "nothing")}},
		{exitMountpoint, "not of motefs", []string{"/proc"}},
		{exitMountpoint, "has died", []string{dead.dir}},
		{exitStore, "no store", []string{"--store", filepath.Join(dir, "nothing")}},
		{exitStore, "not a store", []string{"--store", dir}},
		{exitStore, "there is no store of http://nowhere.test in", []string{"http://nowhere.test"}},
		{exitStore, "not a status socket", []string{"--store", foreign}},
		{exitUsage, "give either", []string{"--store", dir, dir}},
		{exitUsage, "user or password", []string{"http://user:secret@host"}},
		{exitOK, "nothing is running", nil},
	} {
		cmd := motefs(t, append([]string{"status"}, tc.args...)...)
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+cache)
		p := process.Start(t, cmd)
		got := p.Wait()
		if text := p.Stderr.String(); got != tc.status || !strings.Contains(text, tc.says) || len(lines(text)) != 1 || p.Stdout.String() != "" || strings.Contains(text, "secret") {
			t.Errorf("status %q: %d, want %d with %q: %s", tc.args, got, tc.status, tc.says, p)
		}
	}
	// The socket of a process that died says nothing of its store, which is at rest.
	if _, err := os.Lstat(filepath.Join(dead.store, status.SocketName)); err != nil {
		t.Fatalf("a killed process left no socket: %v", err)
	}
	if st := asked(t, "--store", dead.store); st.PID != nil || st.State != status.Stopped && st.State != status.Complete {
		t.Errorf("of a dead process: %+v", st)
	}
	again := dead.again(s.URL())
	if st := asked(t, again.dir); *st.PID != again.Pid() {
		t.Errorf("after the next mount: %+v", st)
	}
	again.stop()
}

// TestStatusOfWhoSaysNothing: a store whose holder serves no status is in use, and is read
// where that is possible.
func TestStatusOfWhoSaysNothing(t *testing.T) {
	need(t, "python3")
	s := serveTest(t, serve.Options{}, synthetic(10))
	store := filepath.Join(t.TempDir(), "store")
	finish(t, exitOK, "mirror", "--store", store, s.URL())
	if err := os.WriteFile(filepath.Join(store, "OWNER"), []byte("somebody\x1b[2J"), 0o600); err != nil {
		t.Fatal(err)
	}
	holder := process.Start(t, process.Command("python3", "-c", `
import fcntl, sys, time
f = open(sys.argv[1] + "/LOCK", "r+")
fcntl.lockf(f, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(1000)`, store))
	holder.Says("held")
	if st := asked(t, "--store", store); st.State != status.InUse || st.Fetched != 10 || !strings.HasPrefix(*st.Holder, "somebody") {
		t.Errorf("%+v", st)
	}
	p := finish(t, exitOK, "status", "--store", store)
	if bad, ok := raw(p.Stdout.String()); ok || !strings.Contains(p.Stdout.String(), "in use by somebody") {
		t.Errorf("%s: %s", bad, p)
	}
	text, err := os.ReadFile(filepath.Join(store, "FORMAT"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store, "FORMAT"), []byte(strings.Replace(string(text), "{", `{"repairing":"d",`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	p = finish(t, exitStore, "status", "--store", store)
	if text := p.Stderr.String(); !strings.Contains(text, "is held by somebody") || len(lines(text)) != 1 {
		t.Errorf("while it is repaired: %s", p)
	}
	p = finish(t, exitStore, "failures", "--store", store)
	if text := p.Stderr.String(); !strings.Contains(text, "is held by somebody") || len(lines(text)) != 1 {
		t.Errorf("failures while it is repaired: %s", p)
	}
	finish(t, exitStore, "stores", "remove", "--yes", store)
}

// TestStatusOfAll: without an argument all that run in the default place are shown, and one
// that waits for its origin says so.
func TestStatusOfAll(t *testing.T) {
	t.Parallel()
	place := t.TempDir()
	var all []*process.Process
	in := func(args ...string) *process.Process {
		cmd := motefs(t, args...)
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+place)
		return process.Start(t, cmd)
	}
	var servers []*origintest.Server
	for range 2 {
		s := serveTest(t, serve.Options{}, synthetic(5000))
		s.SetFaults(origintest.Faults{OnGet: func([]byte, int) origintest.Fault { return origintest.Fault{Status: 500} }})
		servers = append(servers, s)
		all = append(all, in("mirror", s.URL()))
	}
	var found []object
	eventually.True(t, "both wait for their origins", func() bool {
		p := in("status", "--json")
		if p.Wait() != exitOK {
			t.Fatal(p)
		}
		found = jsonObjects(t, p.Stdout.String())
		return len(found) == 2 && !slices.ContainsFunc(found, func(o object) bool { return o.State != status.NoOrigin })
	})
	for _, o := range found {
		if *o.OriginUp || o.LastError == nil || !strings.Contains(*o.LastError, "500") {
			t.Errorf("%+v", o)
		}
	}
	watch := in("status", "--watch", "--json", servers[0].URL())
	eventually.True(t, "the status comes again", func() bool { return len(lines(watch.Stdout.String())) >= 2 })
	watch.Signal(os.Interrupt)
	if status := watch.Wait(); status != exitOK || watch.Stderr.String() != "" {
		t.Errorf("status %d: %s", status, watch)
	}
	for _, p := range all {
		p.Signal(os.Interrupt)
		p.Wait()
	}
	if p := in("status", servers[0].URL()); p.Wait() != exitOK || !strings.Contains(p.Stdout.String(), "at rest") {
		t.Errorf("at rest: %s", p)
	}
}

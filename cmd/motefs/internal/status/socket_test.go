package status

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/motefs/motefs/cache"
)

// served opens a source and its socket in dir.
func served(t *testing.T, dir string) (*Source, *Server) {
	t.Helper()
	source := New(Options{Command: "mirror", Version: "1", Store: &fakeStore{dir: dir, progress: cache.Progress{Files: 7}}})
	server, err := Serve(dir, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); source.Close() })
	return source, server
}

// TestSocket: it is its owner's alone, whatever the umask and the length of the path, and
// goes at the end.
func TestSocket(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 50))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	source, server := served(t, dir)
	info, err := os.Lstat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("the socket is %v: %v", info, err)
	}
	client := NewClient(dir)
	defer client.Close()
	for range 3 {
		st, raw, err := client.Status(context.Background())
		if err != nil || st.Listed != 7 || *st.PID != os.Getpid() || !strings.Contains(string(raw), `"schema_version":1`) {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	if err := errors.Join(server.Close(), source.Close()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, _, err := client.Status(context.Background()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

// TestStaleSocket: that of a process that died is told apart, and replaced.
func TestStaleSocket(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestHelperListens$", "-test.v")
	child.Env = append(os.Environ(), "STATUS_TEST_LISTEN="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "listening" {
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child was not killed")
	}
	if conn, err := Dial(context.Background(), dir); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), "died") {
		t.Fatalf("%v, %v", conn, err)
	}
	served(t, dir)
	conn, err := Dial(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestHelperListens is the child of TestStaleSocket.
func TestHelperListens(t *testing.T) {
	dir := os.Getenv("STATUS_TEST_LISTEN")
	if dir == "" {
		return // the test itself
	}
	served(t, dir)
	fmt.Println("listening")
	select {}
}

// TestForeignSocket: nothing but a socket is taken for one, followed or taken away.
func TestForeignSocket(t *testing.T) {
	for what, make := range map[string]func(path string) error{
		"a file":   func(path string) error { return os.WriteFile(path, []byte("mine"), 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link to a socket": func(path string) error {
			l, err := net.Listen("unix", path+"2")
			if err == nil {
				t.Cleanup(func() { l.Close() })
				err = os.Symlink(path+"2", path)
			}
			return err
		},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, SocketName)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := Dial(context.Background(), dir); !errors.Is(err, ErrSocket) {
			t.Errorf("%s: %v, %v", what, conn, err)
		}
		source := New(Options{Store: &fakeStore{dir: dir}})
		if server, err := Serve(dir, source); !errors.Is(err, ErrSocket) {
			t.Errorf("%s: %v, %v", what, server, err)
		}
		source.Close()
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s is not what it was: %v", what, err)
		}
	}
}

// TestHandler: what is served, and what is not.
func TestHandler(t *testing.T) {
	dir := t.TempDir()
	served(t, dir)
	client := NewClient(dir)
	defer client.Close()
	for path, want := range map[string]int{
		"/status": 200, "/debug/pprof/goroutine": 200, "/debug/pprof/heap?debug=1": 200, "/debug/pprof/profile?seconds=1": 200, "/debug/pprof/trace?seconds=1": 200,
		"/debug/pprof/": 404, "/debug/pprof/none": 404, "/debug/pprof/cmdline": 404, "/": 404, "/metrics": 404, "/status/x": 404,
	} {
		response, err := client.http.Get("http://motefs" + path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != want {
			t.Errorf("%s: %d, want %d: %v", path, response.StatusCode, want, err)
		}
		response.Body.Close()
	}
	response, err := client.http.Post("http://motefs/status", "text/plain", strings.NewReader("x"))
	if err != nil || response.StatusCode != http.StatusMethodNotAllowed {
		t.Fatalf("POST: %v, %v", response, err)
	}
	response.Body.Close()
}

// TestManyClients: more than have a place wait, and all are answered; those that say
// nothing do not keep Close.
func TestManyClients(t *testing.T) {
	dir := t.TempDir()
	_, server := served(t, dir)
	var wg sync.WaitGroup
	for range 4 * maxClients {
		wg.Go(func() {
			client := NewClient(dir)
			defer client.Close()
			if _, _, err := client.Status(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 2 * maxClients {
		conn, err := Dial(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

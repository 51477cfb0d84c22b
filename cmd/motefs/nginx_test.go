package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// nginxConfig serves static pages and files with nginx's defaults: it closes a
// connection after 1,000 requests, in the middle of a pipeline.
const nginxConfig = `
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3;
	uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server {
		listen 127.0.0.1:%[2]d;
		location = /list {
			default_type application/json;
			if ($args ~ "^next-marker=(?<page>[0-9]+)$") { rewrite ^ /pages/$page.json last; }
			rewrite ^ /pages/0.json last;
		}
		location /pages/ { internal; root %[1]s; }
		location /get/ { alias %[1]s/files/; }
	}
}
`

// startNginx serves n files of a page each thousand and returns its URL.
func startNginx(t *testing.T, n, pageSize int) string {
	t.Helper()
	dir := t.TempDir()
	writeNginxFiles(t, dir, n, pageSize)
	return runNginx(t, dir, nginxConfig, "/list")
}

// runNginx runs an nginx whose configuration is a format for its own directory, a
// port and args, and returns its URL once it answers at path.
func runNginx(t *testing.T, dir, format, path string, args ...any) string {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("there is no nginx: make test installs it, or apt-get install nginx-light")
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	config := filepath.Join(dir, "nginx.conf")
	write(t, config, fmt.Appendf(nil, format, append([]any{dir, port}, args...)...))
	cmd := exec.Command(nginx, "-c", config, "-p", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if res, err := http.Get(url + path); err == nil {
			res.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			return url
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not answer: %s", log.Bytes())
		}
	}
}

func writeNginxFiles(t *testing.T, dir string, n, pageSize int) {
	t.Helper()
	// nginx's worker is another user.
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"files", "pages"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < n; i += pageSize {
		var page struct {
			FileNames []string
			NextFile  string `json:",omitempty"`
		}
		for k := i; k < min(n, i+pageSize); k++ {
			name := fmt.Sprintf("file-%06d", k)
			page.FileNames = append(page.FileNames, name)
			write(t, filepath.Join(dir, "files", name), []byte("body of "+name))
		}
		if i+pageSize < n {
			page.NextFile = fmt.Sprint(i/pageSize + 1)
		}
		text, err := json.Marshal(page)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "pages", fmt.Sprintf("%d.json", i/pageSize)), text)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMirrorFromNginx(t *testing.T) {
	url := startNginx(t, 12_345, 1000)
	m := startMount(t, url, "--prefetch-all", "--connections", "3")
	m.Logs("mirror is complete")
	if got := shell(t, `cat "$1/file-012344"; find "$1" -type f | wc -l; cat "$1"/file-* | wc -c`, m.dir); got != "body of file-01234412345\n234555\n" {
		t.Errorf("the mount shows %q", got)
	}
	m.stop()
	finish(t, exitOK, "verify", "--store", m.store)
}

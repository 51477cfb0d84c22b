package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// nginxConfig serves static pages and files. Beside what that takes, three
// settings are not nginx's own: a worker for each core, as all distributions
// package it, no access log, and, where this is root, workers that are too and so
// can read the directory wherever it is.
const nginxConfig = `
%[3]s
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
worker_processes auto;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3;
	uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server {
		listen 127.0.0.1:%[2]d;
		%[4]s
	}
}
`

// originLocations serve what writeTree has written to a directory.
const originLocations = `
		location = /list {
			default_type application/json;
			if ($args ~ "^next-marker=(?<page>[0-9]+)$") { rewrite ^ /pages/$page.json last; }
			rewrite ^ /pages/0.json last;
		}
		location /pages/ { internal; root %[1]s; }
		location /get/ { alias %[1]s/files/; }`

func startNginx(ctx context.Context, b *bench, o *origin) (*server, error) {
	nginx, err := nginxProgram.find()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "nginx")
	b.logf("writing %d files for nginx", o.source.Len())
	if err := writeTree(ctx, dir, o.source); err != nil {
		return nil, fmt.Errorf("write the files for nginx: %w", err)
	}
	return runNginx(ctx, nginx, dir, fmt.Sprintf(originLocations, dir))
}

// runNginx starts nginx with its own files in dir, to serve these locations.
func runNginx(ctx context.Context, nginx, dir, locations string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	user := ""
	if os.Geteuid() == 0 {
		user = "user root root;"
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, port, user, locations), 0o644); err != nil {
		return nil, err
	}
	return startServer(ctx, []string{nginx, "-c", config, "-p", dir}, fmt.Sprintf("http://127.0.0.1:%d", port))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // it was only asked for its port
	return l.Addr().(*net.TCPAddr).Port, nil
}

// page is one of the listing.
type page struct {
	FileNames []string
	NextFile  string `json:",omitempty"`
}

// writeTree writes each file of a source and the pages that list them, and waits
// until they are on disk: writing them back is not a contender's work.
func writeTree(ctx context.Context, dir string, source *serve.Synthetic) error {
	for _, sub := range []string{"files", "pages"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	for first := int64(0); first < source.Len(); first += serve.DefaultPageSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		var p page
		next := min(source.Len(), first+serve.DefaultPageSize)
		for i := first; i < next; i++ {
			name := source.Name(i)
			p.FileNames = append(p.FileNames, name)
			if err := os.WriteFile(filepath.Join(dir, "files", name), source.Body(i), 0o644); err != nil {
				return err
			}
		}
		if next < source.Len() {
			p.NextFile = strconv.FormatInt(next, 10)
		}
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "pages", strconv.FormatInt(first, 10)+".json"), text, 0o644); err != nil {
			return err
		}
	}
	syscall.Sync()
	// A file's first reader moves its access time, and where the contenders
	// before it filled the disk's journal, waits for that.
	for i := range source.Len() {
		if _, err := os.ReadFile(filepath.Join(dir, "files", source.Name(i))); err != nil {
			return err
		}
	}
	syscall.Sync()
	return nil
}

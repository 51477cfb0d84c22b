package nginx

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/motefs/motefs/cmd/internal/child"
)

// config is nginx's defaults; so a connection is closed after 1,000 requests, in
// the middle of a pipeline. Beside what it takes to run beside others, three
// settings are not nginx's own: a worker for each core, as all distributions
// package it, no access log, and, where this is root, workers that are too and so
// can read files wherever they are.
const config = `
user root root;
daemon off;
pid "%[1]s/nginx.pid";
error_log "%[1]s/error.log";
worker_processes auto;
events {}
http {
	access_log off;
	client_body_temp_path "%[1]s/t1"; proxy_temp_path "%[1]s/t2"; fastcgi_temp_path "%[1]s/t3";
	uwsgi_temp_path "%[1]s/t4"; scgi_temp_path "%[1]s/t5";
	server {
		listen 127.0.0.1:%[2]d;
		location = /.answers { return 204; }
		%[3]s
	}
}
`

// Start runs nginx with its own files in dir, to serve these locations, and waits
// until it answers. The caller stops it.
func Start(ctx context.Context, dir, locations string) (url string, stop func(), err error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return "", nil, fmt.Errorf("%w: make test installs it, or apt-get install nginx-light", err)
		}
	}
	port, err := child.FreePort()
	if err != nil {
		return "", nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, port, locations), 0o644); err != nil {
		return "", nil, err
	}
	p, err := child.Start(dir, path, "-c", file, "-p", dir)
	if err != nil {
		return "", nil, err
	}
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := p.Await(ctx, func() bool { return child.Answers(ctx, url+"/.answers") }); err != nil {
		p.Stop()
		return "", nil, fmt.Errorf("start nginx: %w", err)
	}
	return url, p.Stop, nil
}

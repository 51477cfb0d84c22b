package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// indexConfig serves a directory with nginx's own listing of it; /list is what
// startServer asks for. The settings are those of nginxConfig.
const indexConfig = `
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
		location = /list { return 200; }
		location / { root %[4]s; autoindex on; }
	}
}
`

// prepareIndex writes the files and serves them with an HTML index.
func prepareIndex(ctx context.Context, b *mountBench, set fileset) error {
	if b.servers[set] != nil {
		return nil
	}
	nginx, err := nginxProgram.find()
	if err != nil {
		return err
	}
	tree, err := b.treeOf(ctx, set)
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, fmt.Sprintf("nginx-%d", set.files))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config, user := filepath.Join(dir, "nginx.conf"), ""
	if os.Geteuid() == 0 {
		user = "user root root;"
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, indexConfig, dir, port, user, tree), 0o644); err != nil {
		return err
	}
	s, err := startServer(ctx, []string{nginx, "-c", config, "-p", dir}, fmt.Sprintf("http://127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	if b.servers == nil {
		b.servers = map[fileset]*server{}
	}
	b.servers[set] = s
	return nil
}

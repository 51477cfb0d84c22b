package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// indexLocations serve a directory with nginx's own listing of it; /list is what
// startServer asks for.
const indexLocations = `
		location = /list { return 200; }
		location / { root %s; autoindex on; }`

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
	dir := filepath.Join(b.dir, fmt.Sprintf("nginx-%d", set.files))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	s, err := runNginx(ctx, nginx, dir, fmt.Sprintf(indexLocations, tree))
	if err != nil {
		return err
	}
	if b.servers == nil {
		b.servers = map[fileset]*server{}
	}
	b.servers[set] = s
	return nil
}

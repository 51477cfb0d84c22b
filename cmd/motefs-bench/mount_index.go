package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/motefs/motefs/cmd/internal/nginx"
)

// prepareIndex writes the files and serves them with an HTML index.
func prepareIndex(ctx context.Context, b *mountBench, set fileset) error {
	if b.servers[set] != nil {
		return nil
	}
	tree, err := b.treeOf(ctx, set)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, fmt.Sprintf("nginx-%d", set.files))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	url, stop, err := nginx.Start(ctx, dir, fmt.Sprintf("location / { root %q; autoindex on; }", tree))
	if err != nil {
		return err
	}
	if b.servers == nil {
		b.servers = map[fileset]*server{}
	}
	b.servers[set] = &server{url, stop}
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/cmd/internal/nginx"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// origin is what the contenders ask. All origins serve the first files of one
// and the same source.
type origin struct {
	name    string
	source  *serve.Synthetic // its length is the listing's
	ceiling string           // the contender that the others are held against
	needs   []program
	start   func(ctx context.Context, b *bench, o *origin) (*server, error)
}

// server is a running origin.
type server struct {
	url  string
	stop func()
}

// startNginx serves the files of a source, each written and read once.
func startNginx(ctx context.Context, b *bench, o *origin) (*server, error) {
	dir := filepath.Join(b.dir, "nginx")
	b.logf("writing %d files for nginx", o.source.Len())
	if err := nginx.WriteOrigin(ctx, dir, o.source); err != nil {
		return nil, fmt.Errorf("write the files for nginx: %w", err)
	}
	// Writing them back is not a contender's work.
	syscall.Sync()
	// A file's first reader moves its access time, and where the contenders
	// before it filled the disk's journal, waits for that.
	for i := range o.source.Len() {
		if _, err := os.ReadFile(filepath.Join(dir, "files", o.source.Name(i))); err != nil {
			return nil, err
		}
	}
	url, stop, err := nginx.Start(ctx, dir, nginx.Origin(dir))
	return &server{url, stop}, err
}

// startServe is motefs serve with the files of a source.
func startServe(flags ...string) func(context.Context, *bench, *origin) (*server, error) {
	return func(ctx context.Context, b *bench, o *origin) (*server, error) {
		return startMotefs(ctx, b.motefs, o.source.Len(), flags...)
	}
}

// listens is what motefs serve says.
var listens = regexp.MustCompile(`origin at (\S+);`)

func startMotefs(ctx context.Context, motefs string, files int64, flags ...string) (*server, error) {
	argv := append([]string{motefs, "serve", "--listen", "127.0.0.1:0", "--synthetic", fmt.Sprint(files)}, flags...)
	p, err := child.Start("", argv...)
	if err != nil {
		return nil, err
	}
	if err := p.Await(ctx, func() bool { return listens.MatchString(p.Output()) }); err != nil {
		p.Stop()
		return nil, fmt.Errorf("motefs serve: %w", err)
	}
	return &server{listens.FindStringSubmatch(p.Output())[1], p.Stop}, nil
}

//go:build !noserver

package natsbus_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
)

func embed(t *testing.T, o natsbus.EmbeddedOptions) *natsbus.Server {
	t.Helper()
	s, err := natsbus.Embedded(o)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// inside is a bus of a server in this process.
func inside(t *testing.T, s *natsbus.Server) *natsbus.Bus {
	t.Helper()
	o := options(t, "")
	o.Server = s
	return join(t, o)
}

// A server in this process needs no socket, and has its items and epochs again after a restart.
func TestEmbedded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	s := embed(t, natsbus.EmbeddedOptions{Dir: dir})
	if s.URL() != "" {
		t.Errorf("it listens at %s", s.URL())
	}
	b := inside(t, s)
	_, epoch := acquire(t, b)
	must(t, b.Offer(deadline(t), []uint64{3}))
	must(t, b.Close())
	must(t, s.Close())
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v, %v", info, err)
	}
	b = inside(t, embed(t, natsbus.EmbeddedOptions{Dir: dir}))
	if item := pull(t, b); item.Seq() != 3 {
		t.Errorf("segment %d", item.Seq())
	}
	if _, next := acquire(t, b); next <= epoch {
		t.Errorf("epoch %d after %d", next, epoch)
	}
}

// Others join a server that listens, if they know the password.
func TestEmbeddedForOthers(t *testing.T) {
	s := embed(t, natsbus.EmbeddedOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", User: "motefs", Password: "secret"})
	b := inside(t, s)
	must(t, b.Offer(deadline(t), []uint64{3}))
	o := options(t, s.URL())
	if _, err := natsbus.Open(deadline(t), o); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("joined without the password: %v", err)
	}
	o.Login.FromEnvironment(func(name string) string {
		return map[string]string{"NATS_USER": "motefs", "NATS_PASSWORD": "secret"}[name]
	})
	if item := pull(t, join(t, o)); item.Seq() != 3 {
		t.Errorf("segment %d", item.Seq())
	}
}

// What keeps a server from starting is said, and nothing of it is left.
func TestEmbeddedFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for name, o := range map[string]natsbus.EmbeddedOptions{
		"directory": {Dir: file},
		"address":   {Dir: t.TempDir(), Listen: "here"},
		"every":     {Dir: t.TempDir(), Listen: ":4222"},
		"foreign":   {Dir: t.TempDir(), Listen: "192.0.2.1:0"},
	} {
		if s, err := natsbus.Embedded(o); err == nil {
			t.Errorf("%s: it starts", name)
			must(t, s.Close())
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	// Two have the same directory.
	dir := t.TempDir()
	first := embed(t, natsbus.EmbeddedOptions{Dir: dir})
	if s, err := natsbus.Embedded(natsbus.EmbeddedOptions{Dir: dir}); err == nil {
		t.Error("two servers have the same directory")
		must(t, s.Close())
	} else if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another") {
		t.Errorf("two servers with the same directory: %v", err)
	}
	must(t, first.Close())
	must(t, embed(t, natsbus.EmbeddedOptions{Dir: dir}).Close())
	// A bus ends with its server, and does not hang.
	s := embed(t, natsbus.EmbeddedOptions{Dir: t.TempDir()})
	b := inside(t, s)
	must(t, s.Close())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Offer(ctx, []uint64{1}); !errors.Is(err, context.Canceled) {
		t.Errorf("offered to a server that is closed: %v", err)
	}
}

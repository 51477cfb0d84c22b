//go:build !race

package main

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestNamesKilled has kill -9 end a mirror by a list in the middle of it, again and again.
// It goes on where the store says, with a list that is the same, one that has grown, and
// at last with one that is another: nothing is lost, and little is fetched again. With the
// race detector it would take minutes.
func TestNamesKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 9))
	const files, lives = 400_000, 3
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 1000})
	s := serveTest(t, serve.Options{}, src)
	store, path := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "list")
	list := namesList(src, files)
	args := []string{"mirror", "--store", store, "--names", path, "--get-path", "get", s.URL()}
	written := bytes.LastIndexByte(list[:len(list)*3/4], 0x0a) + 1
	midway := 0
	for life := range lives {
		write(t, path, list[:written])
		before, gets := tables(t, store), s.Counts().Gets
		p := start(t, append(args, "--limit-files", "50000")...)
		eventually.True(t, "files on the disk", func() bool {
			grown, small := false, 0 // a flush ends with small tables
			for path, n := range tables(t, store) {
				if _, ok := before[path]; !ok && n > 100_000 {
					grown = true
				} else if !ok {
					small++
				}
			}
			// While the listing is ahead, the checkpoint moves each 64 batches.
			return grown && small >= 3 && s.Counts().Gets-gets > 80_000 || p.Ended()
		})
		time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond) // the moment is what is random
		p.Kill()
		if progress := progressOf(t, store, s); strings.HasPrefix(progress.Marker, mirror.OwnMarker+"names n ") {
			midway++
		} else {
			t.Logf("life %d leaves %+v", life, progress)
		}
		written = len(list)
	}
	if midway == 0 {
		t.Error("no life left a checkpoint")
	}
	fetched := progressOf(t, store, s).Fetched
	asked := s.Counts().Gets
	write(t, path, append([]byte(src.Name(files-1)+"\n"), list...))
	p := finish(t, exitOK, args...)
	if log := p.Stderr.String(); !strings.Contains(log, "the list of names has changed") || !strings.Contains(log, "files that are here are kept") {
		t.Errorf("a list that has changed: %s", log)
	}
	if again := uint64(s.Counts().Gets - asked); fetched == 0 || again > files-fetched+files/10 {
		t.Errorf("%d files were asked for again, and %d of %d were here", again, fetched, files)
	}
	is(t, store, s, src)
	if lists := s.Counts().Lists; lists != 0 {
		t.Errorf("the origin was asked for %d pages", lists)
	}
}

// progressOf is the progress of a store that nobody uses.
func progressOf(t *testing.T, dir string, s *origintest.Server) cache.Progress {
	t.Helper()
	store, err := cache.Open(cache.Options{Dir: dir, Origin: s.URL(), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return store.Progress()
}

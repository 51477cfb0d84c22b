package main

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestRefreshCommand has the real binary follow an origin: what it says, writes and ends
// with.
func TestRefreshCommand(t *testing.T) {
	t.Parallel()
	o := serve.SyntheticOptions{Files: 5000, FilesPerDir: 100}
	before := serve.NewSynthetic(o)
	o.Edition = serve.SyntheticEdition{Changed: 0.02, Removed: 0.02, Added: 0.02}
	after := serve.NewSynthetic(o)
	counts := after.EditionCounts()
	changed, removed, added := uint64(counts.Changed), uint64(counts.Removed), uint64(counts.Added)
	src := serve.NewSwitch(before)
	s := serveTest(t, serve.Options{PageSize: 100}, src)
	store := filepath.Join(t.TempDir(), "store")
	run := func(status int, args ...string) string {
		t.Helper()
		p := finish(t, status, append([]string{"mirror", "--store", store, "--log-level", "error", s.URL()}, args...)...)
		return p.Stdout.String() + p.Stderr.String()
	}
	says := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("it says\n%s\nwithout %q", got, w)
			}
		}
	}
	// A mirror that is not complete is completed first, whatever is asked for.
	says(run(exitOK, "--refresh"), "5,000 fetched", "the mirror is complete")
	says(run(exitOK), "listed on ", "--refresh lists again")
	says(run(exitOK, "--refresh"), "5,000 listed: 0 new, 0 changed, 0 removed, 0 returned, 5,000 unchanged")

	src.Set(after)
	names := []string{count(added) + " new, 0 changed, " + count(removed), " 0 returned"}
	says(run(exitOK, "--refresh", "--dry-run"), append(names, "not listed any more", "nothing was written")...)
	says(run(exitOK, "--refresh=contents", "--dry-run"), count(changed)+" changed", "nothing was written")
	if got := run(exitOK, "--sample", "2000"); !strings.Contains(got, " of 1,") || !strings.Contains(got, " changed: about ") {
		t.Errorf("a sample says %s", got) // some of the 2,000 are gone
	}
	// What is new is fetched all the same.
	says(run(exitFailed, "--refresh", "--max-delete", "1"), count(added)+" new, 0 changed, 0 removed", "too many files", "--max-delete")
	says(run(exitOK, "--refresh"), "0 new, 0 changed, "+count(removed)+" removed")
	says(run(exitOK, "--refresh=contents"), "0 new, "+count(changed)+" changed, 0 removed")
	says(run(exitOK, "--refresh=contents"), " 0 changed", "compared")
	says(run(exitOK, "--sample", "500"), "0 of 500 changed: fewer than 0.6 %, with 95 % confidence")
	finish(t, exitOK, "verify", "--store", store, s.URL())
	is(t, store, s, after)

	for _, bad := range [][]string{{"--refresh=sizes"}, {"--dry-run"}, {"--sample", "-1"}, {"--sample", "5", "--refresh"}, {"--refresh", "--max-delete", "x"}} {
		run(exitUsage, bad...)
	}
}

// TestRefreshKilled has kill -9 end the real binary at 20 random moments of one refresh. In the
// end the store is what the origin is.
func TestRefreshKilled(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 6))
	files, times := int64(20_000), 20
	if raceEnabled { // which takes several times as long; make test has all of them without
		files, times = 5000, 6
	}
	o := serve.SyntheticOptions{Files: files, FilesPerDir: 500, VarySize: true, LargeEvery: 500, LargeSize: 100_000}
	src := serve.NewSwitch(serve.NewSynthetic(o))
	s := serveTest(t, serve.Options{PageSize: 200, ListLatency: time.Millisecond}, src)
	store := filepath.Join(t.TempDir(), "store")
	args := []string{"mirror", "--store", store, "--log-level", "error", s.URL()}
	finish(t, exitOK, args...)
	o.Edition = serve.SyntheticEdition{Changed: 0.05, Removed: 0.05, Added: 0.05}
	after := serve.NewSynthetic(o)
	src.Set(after)
	args = append(args, "--refresh=contents")
	begun, ended := 0, 0
	for range times {
		counts := s.Counts()
		p := start(t, args...)
		// In its walk, or among its gets.
		lists, gets := 1+rng.Int64N(3*files/400), 1+rng.Int64N(5*files/4)
		if rng.IntN(2) == 0 {
			lists = 1 << 40
		}
		eventually.True(t, "the moment", func() bool {
			now := s.Counts()
			return now.Lists-counts.Lists >= lists || now.Gets-counts.Gets >= gets || p.Ended()
		})
		if p.Ended() {
			ended++
		}
		p.Kill()
		opened, err := cache.Open(cache.Options{Dir: store, Origin: s.URL(), ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if refreshing, err := opened.Refreshing(); err != nil {
			t.Error(err)
		} else if refreshing {
			begun++
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
	if begun < times/4 {
		t.Errorf("only %d of %d left a refresh, %d came to their end", begun, times, ended)
	}
	finish(t, exitOK, args...)
	finish(t, exitOK, "verify", "--store", store, s.URL())
	is(t, store, s, after)
}

// compared is of how many files, spread over all, is compares the contents. With the race
// detector Pebble notes the stack for each table that a look opens, which is most of a look.
func compared() int64 {
	if raceEnabled {
		return 2000
	}
	return 20_000
}

// is compares a store with a source: how many files it has, and compared() of them.
func is(t *testing.T, dir string, s *origintest.Server, src *serve.Synthetic) {
	t.Helper()
	store, err := cache.Open(cache.Options{Dir: dir, Origin: s.URL(), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	files := 0
	var walk func(dir cache.Inode)
	walk = func(dir cache.Inode) {
		if err := store.ReadDirPlus(dir, 0, func(d cache.DirEntry, e cache.Entry, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == cache.Dir {
				walk(e.Inode)
				return true
			}
			if files++; int64(files)%(1+src.Len()/(compared()+1)) != 0 {
				return true
			}
			name, err := store.NameOf(e.Inode)
			b := make([]byte, e.Size)
			if err == nil {
				_, err = store.ReadAt(e.Inode, b, 0)
			}
			i, ok := src.Index([]byte(name))
			if err != nil || !ok || string(b) != string(src.AppendBody(nil, i)) {
				t.Errorf("%q is not what the origin has: %v", name, err)
			}
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	walk(cache.RootInode)
	counts := src.EditionCounts()
	if want := src.Len() - counts.Removed + counts.Added; int64(files) != want {
		t.Errorf("%d files, and the origin has %d", files, want)
	}
}

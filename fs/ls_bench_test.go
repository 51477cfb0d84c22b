//go:build !race

package fs

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest"
)

// BenchmarkLs has ls -l list 100,000 files of one directory in a mount that is new each time:
// such that are only listed, with length and time, and such that are mirrored.
func BenchmarkLs(b *testing.B) {
	fusetest.Need(b)
	const files = 100_000
	dirs := map[string]string{"listed": b.TempDir(), "mirrored": b.TempDir()}
	for what, dir := range dirs {
		if err := fillLs(dir, files, what == "mirrored"); err != nil {
			b.Fatal(err)
		}
	}
	for _, what := range []string{"listed", "mirrored"} {
		b.Run(what, func(b *testing.B) {
			s, err := cache.Open(cache.Options{Dir: dirs[what], Origin: "http://origin"})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			contents := newFakeContents(newFakeStore(), nil)
			for range b.N {
				b.StopTimer()
				dir := b.TempDir()
				m, err := Open(b.Context(), Options{Mountpoint: dir, Store: s, Contents: contents})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				out, err := exec.Command("ls", "-l", dir).Output()
				b.StopTimer()
				if n := strings.Count(string(out), " 100 "); err != nil || n < files {
					b.Errorf("%d files, %v", n, err)
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
			}
			if n := contents.fetches(""); n > 0 {
				b.Errorf("%d fetches", n)
			}
		})
	}
}

func fillLs(dir string, files int, put bool) error {
	s, err := cache.Open(cache.Options{Dir: dir, Origin: "http://origin"})
	if err != nil {
		return err
	}
	defer s.Close()
	pl, err := s.NewPlanner()
	if err != nil {
		return err
	}
	names, body := make([]cache.Name, costPage), []byte(strings.Repeat("x", 100))
	for first := 0; first < files; first += costPage {
		for k := range names {
			names[k] = cache.Name{Origin: costName(first + k), Size: 100, ModTime: 1_600_000_000, ETag: fmt.Sprintf(`"%032x"`, first+k)}
		}
		page, err := pl.Plan(names)
		if err != nil {
			return err
		}
		for k := range page.Len() {
			if put {
				if err := page.Put(k, body, 1_600_000_000, []byte(names[k].ETag)); err != nil {
					return err
				}
			}
		}
		if err := page.Commit(); err != nil {
			return err
		}
		if err := page.Close(); err != nil {
			return err
		}
	}
	return s.Advance(cache.Mark{Listing: true, ListingComplete: true})
}

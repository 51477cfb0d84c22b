package mirror_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
)

// TestPlanted leaves behind what TestCheckersBite tells it to.
func TestPlanted(t *testing.T) {
	if os.Getenv(process.Plant) == "goroutine" {
		go func() { select {} }()
	}
}

// plantedStore is a store with the files a and d/b, as a mirror leaves it but for what decide
// does, and its books.
func plantedStore(t *testing.T, decide func(page *cache.Page) error) (*books, *cache.Store) {
	t.Helper()
	b := newBooks(t, []origintest.File{{Name: "a", Body: modelBody("a")}, {Name: "d/b", Body: modelBody("d/b")}}, nil)
	s, err := cache.Open(cache.Options{Dir: "/store", Origin: "http://origin.test", FS: vfs.NewMem(), FlushEvery: -1, Reserve: -1})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	pl, err := s.NewPlanner()
	must(t, err)
	page, err := pl.Plan([]cache.Name{{Origin: "a", Size: -1}, {Origin: "d/b", Size: -1}})
	must(t, err)
	must(t, decide(page))
	must(t, page.Commit())
	must(t, s.Advance(cache.Mark{Listing: true, ListingComplete: true, Listed: page.End(), Settled: page.End()}))
	must(t, page.Close())
	return b, s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put puts contents into the files of a page, one after the other.
func put(page *cache.Page, bodies ...string) error {
	for k, body := range bodies {
		if err := page.Put(k, []byte(body), 0, nil); err != nil {
			return err
		}
	}
	return nil
}

// TestCheckersBite plants what TestModel, TestCrashes and verify are to find.
func TestCheckersBite(t *testing.T) {
	a, b := string(modelBody("a")), string(modelBody("d/b"))
	process.Bites(t, "nothing")
	process.Bites(t, "goroutine", "found unexpected goroutines")
	for name, test := range map[string]struct {
		decide func(page *cache.Page) error
		spoil  func(b *books) // what was seen before
		want   string         // of check, and of verify
		verify string
	}{
		"nothing":          {decide: func(page *cache.Page) error { return put(page, a, b) }},
		"a wrong byte":     {decide: func(page *cache.Page) error { return put(page, a, b[:16]+"!") }, want: `"d/b" holds`},
		"another's":        {decide: func(page *cache.Page) error { return put(page, b, a) }, want: "holds"},
		"early checkpoint": {decide: func(page *cache.Page) error { return put(page, a) }, verify: "the checkpoint is beyond it"},
		"gone":             {decide: func(page *cache.Page) error { return errors.Join(put(page, a), page.Gone(1)) }, want: `"d/b" is not there`},
		"another number": {
			decide: func(page *cache.Page) error { return put(page, a, b) },
			spoil:  func(b *books) { b.mu.now.inodes["a"] = 1000 }, want: `"a" was inode 1000`,
		},
		"early end of the listing": {
			decide: func(page *cache.Page) error { return put(page, a, b) },
			spoil:  func(b *books) { b.files["c"] = "c" }, want: `the listing is complete, and "c" is not there`,
		},
		"a number twice": {
			decide: func(page *cache.Page) error { return put(page, a, b) },
			spoil: func(b *books) {
				for ino := range cache.Inode(100) {
					b.mu.numbers[ino] = "c"
				}
			}, want: `was "c", and is "`,
		},
		"a lost name": {
			decide: func(page *cache.Page) error { return put(page, a, b) },
			spoil:  func(b *books) { b.mu.now.inodes["c"] = 1000 }, want: `"c" was shown, and is not there`,
		},
		"a lost content": {
			decide: func(page *cache.Page) error { page.Fail(1, cache.MayPass, os.ErrDeadlineExceeded); return put(page, a) },
			spoil:  func(b *books) { b.mu.now.here["d/b"] = true }, want: `the content of "d/b" was there`,
		},
		"nobody's": {
			decide: func(page *cache.Page) error { return put(page, a, b) },
			spoil:  func(b *books) { delete(b.files, "a") }, want: `"a" is shown, which the origin does not have`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			books, s := plantedStore(t, test.decide)
			if test.spoil != nil {
				test.spoil(books)
			}
			if err := books.check(s); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("check says %v, and not %q", err, test.want)
			}
			said := ""
			_, err := s.Verify(context.Background(), func(p string) { said += p + "\n" })
			must(t, err)
			if (said == "") != (test.verify == "") || !strings.Contains(said, test.verify) {
				t.Errorf("verify says %q, and not %q", said, test.verify)
			}
		})
	}
}

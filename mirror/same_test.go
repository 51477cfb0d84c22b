package mirror_test

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

// TestSameResult mirrors one origin in all ways that are only to be faster or slower: the
// names, the contents and the counts are the same, with files among them that are gone,
// refused and left out.
func TestSameResult(t *testing.T) {
	const files = 200
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, deep := range []bool{false, true} {
		want := ""
		for _, shuffled := range []bool{false, true} {
			for _, page := range []int{1, 1000} {
				for _, pipeline := range []int{1, 0} { // off and on
					for _, connections := range []int{1, 8} {
						if share > 1 && deep == (shuffled == (page == 1)) == (connections == 1) == (pipeline == 1) {
							continue // of any three of these all are tried
						}
						what := fmt.Sprintf("deep %v, shuffled %v, pages of %d, pipeline %d, %d connections", deep, shuffled, page, pipeline, connections)
						t.Run(what, func(t *testing.T) {
							all := modelFiles(rand.New(rand.NewPCG(seed, 5)), files, deep, shuffled)
							got := mirrored(t, all, page, pipeline, connections)
							if want == "" {
								want = got
							}
							if got != want {
								t.Errorf("%s\nand the first was\n%s", got, want)
							}
						})
					}
				}
			}
		}
	}
}

// sameGone and sameRefused are how many files of TestSameResult are gone and refused.
const sameGone, sameRefused = 7, 3

// mirrored mirrors files and says what came of it: each file with its state and its
// content, and the counts.
func mirrored(t *testing.T, files []origintest.File, page, pipeline, connections int) string {
	t.Helper()
	names := make([]string, len(files))
	for i := range files {
		names[i] = files[i].Name
	}
	// Some of them, the same in whatever order they are listed.
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(numberOf(a), numberOf(b)) })
	gone, refused := names[:sameGone], names[sameGone:sameGone+sameRefused]
	src, b := origintest.NewFiles(append(files, origintest.File{Name: strings.Repeat("x/", cache.MaxName)})...), newBooks(t, files, nil)
	for _, name := range gone {
		src.Vanish(name)
		b.vanish(name)
	}
	r := newRig(t, serve.Options{PageSize: page}, src)
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if slices.Contains(refused, string(name)) {
			return origintest.Fault{Status: http.StatusForbidden}
		}
		return origintest.Fault{}
	}})
	var err error
	r.must(r.store.Close())
	r.store, err = cache.Open(cache.Options{Dir: "/store", Origin: r.server.URL(), FS: vfs.NewMem(), FlushEvery: -1, Reserve: -1, InlineLimit: modelInline})
	r.must(err)
	client, err := origin.New(origin.Options{BaseURL: r.server.URL(), Options: wire.Options{InlineLimit: modelInline, Pipeline: pipeline}})
	r.must(err)
	defer client.Close()
	r.must(r.run(func(o *mirror.Options) {
		o.Lister, o.Fetcher, o.Connections, o.Backoff = client, client, connections, 100*time.Microsecond
	}))
	r.verify()
	r.must(b.check(r.store))
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(b.files)) {
		e, err := lookPath(r.store, path)
		r.must(err)
		content := []byte(nil)
		if e.Here() {
			content = make([]byte, e.Size)
			n, err := r.store.ReadAt(e.Inode, content, 0)
			r.must(err)
			content = content[:n]
		}
		fmt.Fprintf(sum, "%q %d %d %q\n", path, e.Kind, e.Size, content)
	}
	p := r.store.Progress()
	if p.Fetched != uint64(len(files)-sameGone-sameRefused) || p.Gone != sameGone || p.Failed != sameRefused || p.Skipped != 1 || !p.ListingComplete {
		t.Errorf("progress %+v", p)
	}
	return fmt.Sprintf("%d files, %d directories, %d bytes; sum %x", p.Files, p.Dirs, p.Bytes, sum.Sum(nil))
}

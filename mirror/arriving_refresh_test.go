package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
)

// TestRefreshWhileAFileArrives has a reader be shown a long file of which the origin has sent
// the beginning, when the file changes there and a refresh sees it. The reader has the bytes
// of before, or an error; who looks the file up again has the new one.
func TestRefreshWhileAFileArrives(t *testing.T) {
	const size, plain = 8 * mib, "another content, without validators"
	beside := []origintest.File{{Name: "a", Body: []byte("a")}, {Name: "z", Body: []byte("z")}}
	for what, change := range map[string]func(h *heldFile){
		"another content": func(h *heldFile) {
			h.set(func() { h.mu.version, h.mu.etag, h.mu.unheld = 1, `"v1"`, true })
		},
		plain: func(h *heldFile) {
			h.set(func() { h.mu.version, h.mu.unheld = 1, true })
		},
		"gone": func(h *heldFile) {
			h.set(func() { h.mu.gone = true })
			h.Files.Set(beside...)
		},
		"a directory": func(h *heldFile) {
			h.set(func() { h.mu.gone = true })
			h.Files.Set(append(beside, origintest.File{Name: longName + "/inside", Body: []byte("inside")})...)
		},
	} {
		for _, prefetch := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, prefetch=%v", what, prefetch), func(t *testing.T) {
				r, h := longRig(t, size, 2*mib)
				h.Files.Set(append(beside, origintest.File{Name: longName})...)
				if what == plain {
					h.set(func() { h.mu.etag = "" })
				}
				lazy := r.engine(func(o *mirror.Options) { o.Prefetch = false })
				r.must(lazy.Run(t.Context()))
				r.must(lazy.Close())
				e := r.engine(func(o *mirror.Options) { o.Prefetch = prefetch })
				entry := r.fetch(e)
				r.sees(e, h, entry, 0, 0, mib)
				change(h)
				_, err := e.Refresh(t.Context(), mirror.RefreshOptions{Contents: true})
				r.must(err)
				r.sees(e, h, entry, 0, 0, mib)
				h.release()
				// The stream of the old version comes to its end.
				p := make([]byte, mib)
				for off := int64(0); off < size; off += mib {
					n, ok, err := e.ReadAt(context.Background(), entry.Inode, p, off, time.Minute)
					if err == nil && !ok {
						n, err = r.store.ReadAt(entry.Inode, p, off)
					}
					if err != nil {
						t.Logf("ends at %d: %v", off, err)
						break
					}
					if n != mib || !bytes.Equal(p, h.content(0, off, mib)) {
						t.Fatalf("%d bytes at %d, and not the old ones", n, off)
					}
				}
				eventually.True(t, "the stream to end", func() bool { a, _ := e.Arriving(entry.Inode); return a == nil })
				_, err = e.Refresh(t.Context(), mirror.RefreshOptions{Contents: true})
				r.must(err)
				r.now(e, h)
				r.must(e.Close())
				r.verify()
				r.noTemporaryFile()
			})
		}
	}
}

// now checks that who looks the held file up has what the origin has.
func (r *rig) now(e *mirror.Engine, h *heldFile) {
	r.t.Helper()
	entry, err := r.store.Lookup(cache.RootInode, longName)
	switch {
	case err == nil && entry.Kind == cache.Dir:
		_, err := e.Fetch(r.t.Context(), entry.Inode, "inside")
		r.must(err)
		if got := r.read(longName + "/inside"); got != "inside" || !h.mu.gone {
			r.t.Errorf("inside is %q", got)
		}
	case err != nil || h.mu.gone:
		if !errors.Is(err, cache.ErrNotFound) || !h.mu.gone {
			r.t.Errorf("it is %+v, %v", entry, err)
		}
	default:
		e.Shown(entry.Inode)
		r.sees(e, h, r.fetch(e), 1, 0, 8*mib)
	}
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/motefs/motefs/cmd/internal/nginx"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestNginxIsAskedAgain asks a stock nginx, which closes connections after 1,000
// requests, for what has changed of its files and pages: by ETag and by time.
func TestNginxIsAskedAgain(t *testing.T) {
	t.Parallel()
	const n = 4500
	dir, source := t.TempDir(), serve.NewSynthetic(serve.SyntheticOptions{Files: n})
	if err := nginx.WriteOrigin(t.Context(), dir, source); err != nil {
		t.Fatal(err)
	}
	c, err := origin.New(origin.Options{BaseURL: startNginx(t, dir, nginx.Origin(dir))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var names []string
	pages := map[string]string{} // the ETag of each marker
	for marker := ""; ; {
		page, err := c.List(t.Context(), marker)
		if err != nil {
			t.Fatal(err)
		}
		entries, _, err := page.Decode(nil, n, nil)
		if err != nil || page.ETag == "" {
			t.Fatal(err, page.ETag)
		}
		for _, e := range entries {
			names = append(names, e.Name)
		}
		pages[marker] = page.ETag
		if marker = page.Next; marker == "" {
			break
		}
	}
	etags, times := make([][]byte, n), make([]int64, n)
	if err := c.Fetch(t.Context(), names, mirror.Receiver{Receive: func(i int, obj *mirror.Object, err error) {
		if err != nil {
			t.Fatal(err)
		}
		etags[i], times[i] = bytes.Clone(obj.ETag), obj.ModTime
	}}); err != nil {
		t.Fatal(err)
	}
	for marker, etag := range pages {
		if _, err := c.ListIf(t.Context(), marker, etag); !errors.Is(err, mirror.ErrNotModified) {
			t.Errorf("page %q: %v", marker, err)
		}
	}
	// Each tenth is another file now, some with an older time.
	for i := 0; i < n; i += 10 {
		path := filepath.Join(dir, "files", names[i])
		write(t, path, fmt.Appendf(nil, "%0100d", i))
		when := time.Unix(times[i]+int64(1-2*(i/10%2))*3600, 0)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	for what, known := range map[string]func(i int) ([]byte, int64){
		"ETag": func(i int) ([]byte, int64) { return etags[i], times[i] },
		"time": func(i int) ([]byte, int64) { return nil, times[i] },
	} {
		came, same := 0, 0
		if err := c.Fetch(t.Context(), names, mirror.Receiver{Known: known, Receive: func(i int, obj *mirror.Object, err error) {
			switch changed := i%10 == 0; {
			case changed && err == nil && string(obj.Body) == fmt.Sprintf("%0100d", i):
				came++
			case !changed && errors.Is(err, mirror.ErrNotModified):
				same++
			default:
				t.Errorf("by %s: %s: %v", what, names[i], err)
			}
		}}); err != nil || came != n/10 || same != n-n/10 {
			t.Errorf("by %s: %d have changed, %d have not, %v", what, came, same, err)
		}
	}
}

// Package saying is for tests of listings that say more than names. The reference origin's
// protocol has no place for that, so a test says it in between.
package saying

import (
	"context"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// Lister lists what another one does, with what Say adds to each entry.
type Lister struct {
	mirror.Lister
	Say func(*mirror.Listed)
}

// List returns the page at marker.
func (l Lister) List(ctx context.Context, marker string) (mirror.Page, error) {
	page, err := l.Lister.List(ctx, marker)
	decode := page.Decode
	page.Decode = func(dst []mirror.Listed, most int, skip func(string, error)) ([]mirror.Listed, bool, error) {
		from := len(dst)
		dst, more, err := decode(dst, most, skip)
		for i := range dst[from:] {
			l.Say(&dst[from+i])
		}
		return dst, more, err
	}
	return page, err
}

// As says of each file what a get of it from src would, and nothing of one that is not
// there.
func As(src serve.Source) func(*mirror.Listed) {
	return func(e *mirror.Listed) {
		var o serve.Object
		if err := src.Get([]byte(e.Name), &o); err != nil {
			return
		}
		e.Size, e.ETag = int64(len(o.Body)), string(o.ETag)
		if o.At != nil {
			e.Size = o.Size
		}
		if !o.ModTime.IsZero() {
			e.ModTime = o.ModTime.Unix()
		}
	}
}

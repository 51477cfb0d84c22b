package page

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // their headers are looked at
	_ "image/jpeg" // before a browser is given them
	_ "image/png"
	"net/http"
	"unicode/utf8"

	"github.com/motefs/motefs/cache"
)

const (
	// previewBytes is how much of a content is shown.
	previewBytes = 64 << 10
	// picturePixels is how large a picture may be that is shown: what a browser needs for
	// it is four bytes for each.
	picturePixels = 16 << 20
)

// preview is one entry with the beginning of its content.
type preview struct {
	entry
	Dir  cache.Inode `json:"dir,string"`
	ETag string      `json:"etag,omitempty"`
	// Tries and Tried are of a file that failed: how often it was asked for, and when
	// last, in seconds since 1970.
	Tries int   `json:"tries,omitempty"`
	Tried int64 `json:"tried,omitempty"`
	// Content is at most previewBytes of the content, in base64; null: it is not fetched.
	Content []byte `json:"content"`
	// Text says that Content is UTF-8 text; Picture is its media type, where all of the
	// content is a picture that can be shown.
	Text    bool   `json:"text"`
	Picture string `json:"picture,omitempty"`
}

// file answers with one entry, and with the beginning of its content if that is fetched.
func (p *Page) file(r *http.Request) (any, error) {
	dir, err := inodeOf(r, "dir", cache.RootInode)
	if err != nil {
		return nil, err
	}
	name, err := nameOf(r.URL.Query().Get("name"))
	if err != nil {
		return nil, err
	}
	// A refresh may replace the file between the two looks at it.
	for range 3 {
		var v *preview
		if v, err = p.preview(dir, name); !errors.Is(err, errReplaced) {
			return v, err
		}
	}
	return nil, err
}

// errReplaced: a file that was here has gone from under its number.
var errReplaced = fmt.Errorf("it changes all the time: %w", cache.ErrNotFound)

func (p *Page) preview(dir cache.Inode, name string) (*preview, error) {
	e, err := p.o.Tree.Lookup(dir, name)
	if err != nil {
		return nil, err
	}
	v := &preview{entry: entryOf(name, e, nil), Dir: dir, ETag: e.ETag}
	switch {
	case e.Kind == cache.Dir:
		return v, nil
	case e.State == cache.Pending:
		return v, p.whyFailed(v)
	case !e.Here():
		return v, nil
	}
	v.Content = make([]byte, min(e.Size, previewBytes))
	n, err := p.o.Tree.ReadAt(e.Inode, v.Content, 0)
	if errors.Is(err, cache.ErrNotFound) {
		return nil, errReplaced
	}
	if err != nil {
		return nil, err
	}
	v.Content = v.Content[:n]
	whole := int64(n) == e.Size
	v.Text = isText(v.Content, whole)
	if whole {
		v.Picture = pictureOf(v.Content)
	}
	return v, nil
}

func (p *Page) whyFailed(v *preview) error {
	f, err := p.o.Tree.FailureOf(v.Inode)
	if errors.Is(err, cache.ErrNotFound) {
		return nil
	}
	if err == nil {
		v.State, v.Reason, v.Tries, v.Tried = stateFailed, f.Reason, f.Tries, f.When
	}
	return err
}

// isText reports whether a content is UTF-8 text: without control characters but those
// that texts have. Where it is not whole its last character may be cut.
func isText(content []byte, whole bool) bool {
	for i := 0; i < len(content); {
		r, n := utf8.DecodeRune(content[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			return !whole && !utf8.FullRune(content[i:])
		case r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != '\x1b':
			return false
		}
		i += n
	}
	return true
}

// pictureOf is the media type of a content that is a picture, "" where it is none, or one
// that is too large. A browser never has to guess a type, and is given none in which there
// could be a script.
func pictureOf(content []byte) string {
	c, format, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil || c.Width <= 0 || c.Height <= 0 || c.Width > picturePixels/c.Height {
		return ""
	}
	return "image/" + format
}

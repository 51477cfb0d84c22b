package origintest

import (
	"strings"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// Prefixed returns a source of the files of src whose markers begin with
// prefix, any bytes that are valid UTF-8, and must come back with it. It is
// there to try a client's encoding of markers.
func Prefixed(prefix string, src serve.Source) serve.Source { return &prefixed{src, prefix} }

type prefixed struct {
	serve.Source
	prefix string
}

// Page lists the page at marker.
func (p *prefixed) Page(marker string, limit int, add func(name []byte)) (string, error) {
	inner, ok := strings.CutPrefix(marker, p.prefix)
	if marker != "" && (!ok || inner == "") {
		return "", serve.ErrMarker
	}
	next, err := p.Source.Page(inner, limit, add)
	if next != "" {
		next = p.prefix + next
	}
	return next, err
}

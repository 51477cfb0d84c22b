package s3

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// place is where a page of the listing begins: behind a key, given without the prefix. The
// token, where there is one, says the same in the server's words.
type place struct {
	after, token string
	// unordered says that the listing is in another order than that of its keys, so
	// that the token alone says where to go on.
	unordered bool
}

// unorderedMark begins the marker of such a place.
const unorderedMark = "u"

// marker is the place as a marker: the key's length, the key, and the token. That of
// the beginning is empty.
func (p place) marker() string {
	if p == (place{}) {
		return ""
	}
	text := strconv.Itoa(len(p.after)) + ":" + p.after + p.token
	if p.unordered {
		return unorderedMark + text
	}
	return text
}

func parseMarker(marker string) (place, error) {
	if marker == "" {
		return place{}, nil
	}
	rest, unordered := strings.CutPrefix(marker, unorderedMark)
	digits, rest, ok := strings.Cut(rest, ":")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n > len(rest) || strconv.Itoa(n) != digits {
		return place{}, fmt.Errorf("%w: the marker %q is not one of S3", mirror.ErrListing, wire.Clip(marker))
	}
	return place{rest[:n], rest[n:], unordered}, nil
}

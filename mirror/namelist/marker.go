package namelist

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/motefs/motefs/mirror"
)

// position is a place in the text, behind a separator or at one of its ends.
type position struct {
	offset int64  // in bytes
	sum    uint64 // xxhash of all before
}

// marker is the position as a mirror keeps it: "names n 12345 0123456789abcdef" behind
// mirror.OwnMarker, with a 0 for the n where names are separated by NUL.
func (p position) marker(null bool) string {
	return fmt.Sprintf("%s%d %016x", markerPrefix(null), p.offset, p.sum)
}

func markerPrefix(null bool) string {
	if null {
		return mirror.OwnMarker + "names 0 "
	}
	return mirror.OwnMarker + "names n "
}

// parseMarker is the inverse of marker; the empty marker is the beginning. The error is
// mirror.ErrListing.
func parseMarker(marker string, null bool) (position, error) {
	if marker == "" {
		return start(), nil
	}
	refused := func(why string) (position, error) {
		return position{}, fmt.Errorf("%w: the marker %.100q %s", mirror.ErrListing, marker, why)
	}
	rest, ok := strings.CutPrefix(marker, markerPrefix(null))
	if !ok {
		if strings.HasPrefix(marker, markerPrefix(!null)) {
			return refused("is of a list whose names were separated otherwise (-0)")
		}
		return refused("is of another kind of listing than a list of names")
	}
	offset, sum, _ := strings.Cut(rest, " ")
	var p position
	var errs [2]error
	p.offset, errs[0] = strconv.ParseInt(offset, 10, 64)
	p.sum, errs[1] = strconv.ParseUint(sum, 16, 64)
	if errs != [2]error{} || p.offset < 0 || p.marker(null) != marker {
		return refused("is none of a list of names")
	}
	return p, nil
}

package serve

import (
	"strconv"
	"strings"
)

// position is a place in the listing: before the k-th file, or behind it and before
// the one that an edition has added there. It means the same in every edition.
type position struct {
	k      int64
	behind bool
}

// behindMark ends the marker of a position that is behind its file.
const behindMark = "n"

// unedited is where the position is in a listing without added files.
func (p position) unedited() position {
	if p.behind {
		return position{k: p.k + 1}
	}
	return p
}

func (p position) marker() string {
	m := strconv.FormatInt(p.k, 10)
	if p.behind {
		m += behindMark
	}
	return m
}

// parsePosition reads a marker that is a position in a listing of n names.
func parsePosition(marker string, n int64) (position, error) {
	if marker == "" {
		return position{}, nil
	}
	digits, behind := strings.CutSuffix(marker, behindMark)
	at, err := strconv.ParseInt(digits, 10, 64)
	p := position{at, behind}
	if err != nil || p.marker() != marker || at < 0 || at > n || behind && at == n || at == 0 && !behind {
		return position{}, ErrMarker
	}
	return p, nil
}

package origin

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/files"
)

// errSurrogate is half of a character of two code units. That is JSON, but stands for
// no text.
var errSurrogate = errors.New("lone surrogate")

// arenaSize bounds the names of a piece that share an allocation, in bytes; a
// longer one has its own. It is kept as long as one of them is. Go's allocator has
// no larger size class.
const arenaSize = 32 << 10

// nameDecoder decodes the inside of an array of strings, which a skimmer went
// through, in pieces.
type nameDecoder struct {
	s       skimmer
	left    int // names that are not decoded
	bytes   int // their length, encoded; decoding does not lengthen
	scratch []byte
}

func (d *nameDecoder) more() int { return d.left }

// next implements decoder.
func (d *nameDecoder) next(dst []mirror.Listed, most int, skip func(name string, err error)) ([]mirror.Listed, error) {
	n := min(most, d.left)
	dst = slices.Grow(dst, n)
	var arena strings.Builder
	arena.Grow(d.room(n))
	for ; n > 0; n-- {
		raw, err := d.s.str()
		if err != nil {
			return dst, err
		}
		d.s.got(',')
		d.left--
		d.bytes -= len(raw)
		name := raw
		if !clean(raw) {
			d.scratch, err = unquote(d.scratch[:0], raw)
			if errors.Is(err, errSurrogate) {
				skip(string(raw), err)
				continue
			}
			if err != nil {
				return dst, listingError("%w", err)
			}
			name = d.scratch
		}
		if arena.Cap()-arena.Len() < len(name) {
			arena.Reset() // the names in it keep it
			arena.Grow(max(len(name), len(raw)+d.room(n-1)))
		}
		start := arena.Len()
		arena.Write(name)
		dst = append(dst, mirror.Listed{Name: arena.String()[start:], Size: -1})
	}
	return dst, nil
}

// room guesses the bytes of the next n names, for all that are left exactly.
func (d *nameDecoder) room(n int) int {
	if n < d.left {
		mean := d.bytes/d.left + 1
		return min(n*mean+n*mean/16, d.bytes, arenaSize)
	}
	return min(d.bytes, arenaSize)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// clean reports whether an encoded string stands for itself: no backslash, no
// control character. It looks at eight bytes at a time, with the tricks of
// "Bit Twiddling Hacks" (hasless, haszero), which may see what is not there in
// the bytes above one that is, but never miss one.
func clean(raw []byte) bool {
	for len(raw) >= 8 {
		w := binary.LittleEndian.Uint64(raw)
		slash := w ^ '\\'*ones
		if ((w-' '*ones)&^w|(slash-ones)&^slash)&highs != 0 {
			return false
		}
		raw = raw[8:]
	}
	for _, c := range raw {
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return true
}

// unquote appends what the inside of a JSON string stands for. Unlike
// encoding/json it keeps bytes that are no UTF-8 as they are, and refuses a
// lone surrogate: either way two names could become one. The error is errSurrogate
// where the string is JSON all the same.
func unquote(dst, raw []byte) ([]byte, error) {
	var lone error
	for i := 0; i < len(raw); {
		c := raw[i]
		if c < ' ' {
			return dst, fmt.Errorf("control character %#x in a string", c)
		}
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		n, err := 0, error(nil)
		if dst, n, err = unescape(dst, raw[i:]); errors.Is(err, errSurrogate) {
			lone = cmp.Or(lone, err)
		} else if err != nil {
			return dst, err
		}
		i += n
	}
	return dst, lone
}

// unescape appends what the escape at the start of raw stands for, and returns
// its length.
func unescape(dst, raw []byte) ([]byte, int, error) {
	if len(raw) < 2 {
		return dst, 0, errors.New("escape without an end")
	}
	switch c := raw[1]; c {
	case '"', '\\', '/':
		return append(dst, c), 2, nil
	case 'b':
		return append(dst, '\b'), 2, nil
	case 'f':
		return append(dst, '\f'), 2, nil
	case 'n':
		return append(dst, '\n'), 2, nil
	case 'r':
		return append(dst, '\r'), 2, nil
	case 't':
		return append(dst, '\t'), 2, nil
	}
	r := codeUnit(raw)
	if r < 0 {
		return dst, 0, fmt.Errorf("escape %.6q", raw)
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), 6, nil
	}
	pair := utf16.DecodeRune(r, codeUnit(raw[6:]))
	if pair == utf8.RuneError {
		return dst, 6, fmt.Errorf("%w %.6s", errSurrogate, raw)
	}
	return utf8.AppendRune(dst, pair), 12, nil
}

// codeUnit is the value of the \uXXXX at the start of raw, or -1.
func codeUnit(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	r := rune(0)
	for _, c := range raw[2:6] {
		v := files.Unhex(c)
		if v < 0 {
			return -1
		}
		r = r<<4 | rune(v)
	}
	return r
}

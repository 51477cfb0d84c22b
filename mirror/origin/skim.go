package origin

import (
	"bytes"
	"encoding/json"
	"errors"
)

// skimmer finds its way through a page without decoding its names: it checks
// the structure, and finds the next marker and where the names stand. What is
// inside the names is left to a nameDecoder.
type skimmer struct {
	b []byte
	i int

	next     string // NextFile
	from, to int    // the inside of the array FileNames
	count    int    // names in it
	bytes    int    // their length, encoded
	key      []byte // of fields
}

// decoder returns a decoder of the names of a page that was skimmed.
func (s *skimmer) decoder() *nameDecoder {
	return &nameDecoder{s: skimmer{b: s.b[s.from:s.to]}, left: s.count, bytes: s.bytes}
}

// page skims the whole of b.
func (s *skimmer) page() error {
	if err := s.want('{'); err != nil {
		return err
	}
	names := false
	for first := true; !s.got('}'); first = false {
		if !first {
			if err := s.want(','); err != nil {
				return err
			}
			s.space()
		}
		raw, err := s.str()
		if err != nil {
			return err
		}
		key, err := unquote(nil, raw)
		if errors.Is(err, errSurrogate) {
			key = nil // not one of ours
		} else if err != nil {
			return listingError("%w", err)
		}
		if err := s.want(':'); err != nil {
			return err
		}
		switch string(key) {
		case "FileNames":
			names = true
			err = s.names()
		case "NextFile":
			err = s.marker()
		default:
			err = s.unknown()
		}
		if err != nil {
			return err
		}
	}
	if s.space(); s.i < len(s.b) {
		return listingError("%.40q after the object", s.b[s.i:])
	}
	if !names {
		return listingError("object without FileNames")
	}
	return nil
}

// names skims the value of FileNames. Of several the last one counts, as in
// encoding/json.
func (s *skimmer) names() error {
	s.from, s.to, s.count, s.bytes = 0, 0, 0, 0
	if s.null() {
		return nil
	}
	if err := s.want('['); err != nil {
		return listingError("FileNames is no array")
	}
	s.from = s.i
	for first := true; !s.got(']'); first = false {
		if !first {
			if err := s.want(','); err != nil {
				return err
			}
			s.space()
		}
		raw, err := s.str()
		if err != nil {
			return listingError("FileNames at byte %d: not a string", s.i)
		}
		s.count++
		s.bytes += len(raw)
	}
	s.to = s.i - 1
	return nil
}

// marker skims the value of NextFile. A null changes nothing, as in
// encoding/json: a marker that was there must not become an early end.
func (s *skimmer) marker() error {
	if s.null() {
		return nil
	}
	raw, err := s.str()
	if err != nil {
		return listingError("NextFile is no string")
	}
	next, err := unquote(nil, raw)
	if err != nil {
		return listingError("NextFile: %w", err)
	}
	s.next = string(next)
	return nil
}

// unknown skips any value.
func (s *skimmer) unknown() error {
	value, err := s.extent()
	if err == nil && !json.Valid(value) {
		err = listingError("not JSON at byte %d", s.i-len(value))
	}
	return err
}

// extent skips what can only be a value if it is JSON at all, up to what follows it.
func (s *skimmer) extent() ([]byte, error) {
	s.space()
	start, depth := s.i, 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			if _, err := s.str(); err != nil {
				return nil, err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth < 0 || depth == 0 && s.b[s.i] == ',' {
			break
		}
		s.i++
	}
	return s.b[start:s.i], nil
}

// str returns the inside of the string that starts here, as it stands.
func (s *skimmer) str() ([]byte, error) {
	s.space()
	if s.i == len(s.b) || s.b[s.i] != '"' {
		return nil, listingError("not JSON at byte %d", s.i)
	}
	start := s.i + 1
	for end := start; ; end++ {
		n := bytes.IndexByte(s.b[end:], '"')
		if n < 0 {
			return nil, listingError("string at byte %d has no end", s.i)
		}
		end += n
		if !escaped(s.b[start:end]) {
			s.i = end + 1
			return s.b[start:end], nil
		}
	}
}

// escaped reports whether what follows b is escaped by its end.
func escaped(b []byte) bool {
	n := len(b)
	for n > 0 && b[n-1] == '\\' {
		n--
	}
	return (len(b)-n)%2 == 1
}

func (s *skimmer) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// got moves behind c if it is next.
func (s *skimmer) got(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *skimmer) want(c byte) error {
	if !s.got(c) {
		return listingError("not JSON at byte %d: no %q", s.i, c)
	}
	return nil
}

func (s *skimmer) null() bool {
	s.space()
	if !bytes.HasPrefix(s.b[s.i:], []byte("null")) {
		return false
	}
	s.i += len("null")
	return true
}

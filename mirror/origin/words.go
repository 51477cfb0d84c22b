package origin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// wholePage is the names field of a page that is itself the array.
const wholePage = "."

// words are the fields of a page in other words than the talk's. See Layout.
type words struct {
	names, next               string
	name, size, modTime, etag string
}

// wordSkimmer finds its way through a page in other words.
type wordSkimmer struct {
	skimmer
	words *words
	// found and paged say that there were names and a way to the next page, whatever
	// its value; mixed that not all entries are strings.
	found, paged, mixed bool
}

func (s *wordSkimmer) decoder() decoder {
	names := s.skimmer.decoder()
	if !s.mixed {
		return names
	}
	return &entryDecoder{words: s.words, nameDecoder: *names}
}

// lacks is what leads to the next page where the page has nothing of the kind.
func (s *wordSkimmer) lacks() string {
	switch {
	case s.words.names == wholePage:
		return `Link with rel="next"`
	case !s.paged:
		return fmt.Sprintf("field %q", s.words.next)
	}
	return ""
}

// page skims the whole of b.
func (s *wordSkimmer) page() (err error) {
	if s.words.names == wholePage {
		err = s.entries()
	} else {
		err = s.object("")
	}
	if err != nil {
		return err
	}
	if s.space(); s.i < len(s.b) {
		return listingError("%.40q after the page", s.b[s.i:])
	}
	if !s.found {
		return listingError("page without %s", s.words.names)
	}
	return nil
}

// object skims an object, whose keys are led to by prefix.
func (s *wordSkimmer) object(prefix string) error {
	return s.fields(prefix, func(field []byte) error {
		switch {
		case string(field) == s.words.names:
			return s.entries()
		case string(field) == s.words.next:
			return s.marker()
		case s.peek() == '{' && (leads(field, s.words.names) || leads(field, s.words.next)):
			return s.object(string(field) + ".")
		}
		return s.unknown()
	})
}

// leads reports whether field is on the way to another one.
func leads(field []byte, to string) bool {
	return len(to) > len(field) && to[len(field)] == '.' && to[:len(field)] == string(field)
}

// fields goes through an object and has value deal with the value of each field, which
// is valid until the next one.
func (s *skimmer) fields(prefix string, value func(field []byte) error) error {
	if err := s.want('{'); err != nil {
		return err
	}
	for first := true; !s.got('}'); first = false {
		if !first {
			if err := s.want(','); err != nil {
				return err
			}
		}
		raw, err := s.str()
		if err != nil {
			return err
		}
		s.key, err = unquote(append(s.key[:0], prefix...), raw)
		if errors.Is(err, errSurrogate) {
			s.key = append(s.key, 0xff) // not one of ours
		} else if err != nil {
			return listingError("%w", err)
		}
		if err := s.want(':'); err != nil {
			return err
		}
		if err := value(s.key); err != nil {
			return err
		}
	}
	return nil
}

// peek is the next byte of a value, 0 at the end.
func (s *skimmer) peek() byte {
	if s.space(); s.i == len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// entries skims the array of names. Which of several is meant nobody can know.
func (s *wordSkimmer) entries() error {
	if s.found {
		return listingError("%s comes twice", s.words.names)
	}
	s.found = true
	if s.null() {
		return nil
	}
	if err := s.want('['); err != nil {
		return listingError("%s is no array", s.words.names)
	}
	s.from = s.i
	for first := true; !s.got(']'); first = false {
		if !first {
			if err := s.want(','); err != nil {
				return err
			}
		}
		s.space()
		start := s.i
		switch c := s.peek(); {
		case c == '"':
			if _, err := s.str(); err != nil {
				return err
			}
		case c == '{' || c == '-' || c-'0' < 10:
			s.mixed = true
			if err := s.unknown(); err != nil {
				return err
			}
		default:
			return listingError("%s at byte %d: neither a name nor an object", s.words.names, s.i)
		}
		s.count++
		s.bytes += s.i - start
	}
	s.to = s.i - 1
	return nil
}

// marker skims the next page's marker. What says that there is none changes nothing: a
// marker that was there must not become an early end.
func (s *wordSkimmer) marker() error {
	s.paged = true
	if s.peek() == '"' {
		raw, err := s.str()
		if err != nil {
			return err
		}
		next, err := unquote(nil, raw)
		if err != nil {
			return listingError("%s: %w", s.words.next, err)
		}
		if len(next) > 0 {
			s.next = string(next)
		}
		return nil
	}
	start := s.i
	if err := s.unknown(); err != nil {
		return err
	}
	switch value := strings.TrimRight(string(s.b[start:s.i]), " \t\r\n"); {
	case value == "null" || value == "false":
	case value[0] == '-' || value[0]-'0' < 10:
		s.next = value
	default:
		return listingError("%s is neither a string nor a number: %.40q", s.words.next, value)
	}
	return nil
}

// integer reports whether a value is a number without fraction and exponent.
func integer(value []byte) bool {
	digits := bytes.TrimPrefix(value, []byte("-"))
	return len(digits) > 0 && len(bytes.Trim(digits, "0123456789")) == 0 && json.Valid(value)
}

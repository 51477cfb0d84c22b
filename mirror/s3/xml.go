package s3

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

// errXML is what is not well-formed, or more than a scanner takes.
var errXML = errors.New("malformed XML")

// scanner goes through a document tag by tag. It takes the XML that servers write:
// elements with attributes, text with entities, CDATA, comments, processing
// instructions; no document types.
type scanner struct {
	rest []byte
}

// A tag begins or ends an element.
type tag struct {
	name []byte // without a namespace's prefix
	end  bool   // </name>
	both bool   // <name/>
}

// next returns the text before the next tag, as it stands there, and the tag.
// It is an error where there is none.
func (s *scanner) next() (text []byte, t tag, err error) {
	start := s.rest
	for {
		at := bytes.IndexByte(s.rest, '<')
		if at < 0 || at+1 >= len(s.rest) {
			return nil, tag{}, errXML
		}
		s.rest = s.rest[at:]
		if c := s.rest[1]; c != '?' && c != '!' {
			text = start[:len(start)-len(s.rest)]
			t, err = s.tag()
			return text, t, err
		}
		if err := s.skipOther(); err != nil {
			return nil, tag{}, err
		}
	}
}

// skipOther goes behind what the rest begins with, which is no tag.
func (s *scanner) skipOther() error {
	switch {
	case s.rest[1] == '?':
		return s.skip("?>")
	case bytes.HasPrefix(s.rest, []byte("<!--")):
		return s.skip("-->")
	case bytes.HasPrefix(s.rest, []byte("<![CDATA[")):
		return s.skip("]]>")
	}
	return errXML
}

// skip goes behind what ends so.
func (s *scanner) skip(end string) error {
	at := bytes.Index(s.rest, []byte(end))
	if at < 0 {
		return errXML
	}
	s.rest = s.rest[at+len(end):]
	return nil
}

// tag reads the tag that the rest begins with.
func (s *scanner) tag() (t tag, err error) {
	b := s.rest
	i := 1
	if b[1] == '/' {
		t.end, i = true, 2
	}
	for start := i; i < len(b); i++ {
		switch b[i] {
		case ':':
			start = i + 1
			continue
		case '>', '/', ' ', '\t', '\r', '\n':
		case '<', '&':
			return tag{}, errXML
		default:
			continue
		}
		t.name = b[start:i]
		break
	}
	if len(t.name) == 0 {
		return tag{}, errXML
	}
	if b[i] != '>' { // its attributes mean nothing here
		n := endOfTag(b[i:])
		if n < 0 {
			return tag{}, errXML
		}
		i += n
		t.both = b[i-1] == '/' && !t.end
	}
	s.rest = b[i+1:]
	return t, nil
}

// endOfTag is where a tag ends, behind the values of its attributes; -1 where it does
// not.
func endOfTag(b []byte) int {
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

// element reads the text of an element, of which the first tag was read, up to its end.
func (s *scanner) element(t tag) (text []byte, err error) {
	if t.both {
		return nil, nil
	}
	// Mostly the next tag is its end, which is quick to see.
	if at := bytes.IndexByte(s.rest, '<'); at >= 0 {
		if end := s.rest[at:]; len(end) > len(t.name)+2 && end[1] == '/' && end[len(t.name)+2] == '>' && string(end[2:len(t.name)+2]) == string(t.name) {
			s.rest, text = end[len(t.name)+3:], s.rest[:at]
			return text, nil
		}
	}
	text, end, err := s.next()
	if err == nil && (!end.end || !bytes.Equal(end.name, t.name)) {
		err = errXML // one with elements inside has no text that matters
	}
	return text, err
}

// skipElement goes behind the end of an element, whatever is inside.
func (s *scanner) skipElement(t tag) error {
	if t.both {
		return nil
	}
	for depth := 1; depth > 0; {
		_, inner, err := s.next()
		switch {
		case err != nil:
			return err
		case inner.end:
			if depth--; depth == 0 && !bytes.Equal(inner.name, t.name) {
				return errXML
			}
		case !inner.both:
			depth++
		}
	}
	return nil
}

// plainText reports whether text stands for itself.
func plainText(text []byte) bool {
	return bytes.IndexByte(text, '&') < 0 && bytes.IndexByte(text, '<') < 0 && bytes.IndexByte(text, '\r') < 0
}

// appendText appends what a text stands for: its entities and CDATA resolved, comments
// dropped, and line ends as XML has them.
func appendText(dst, text []byte) (_ []byte, err error) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '&':
			end := bytes.IndexByte(text[i:], ';')
			if end < 0 {
				return dst, errXML
			}
			if dst, err = appendEntity(dst, string(text[i+1:i+end])); err != nil {
				return dst, err
			}
			i += end
		case '\r':
			if i+1 < len(text) && text[i+1] == '\n' {
				continue
			}
			dst = append(dst, '\n')
		case '<': // next has seen their ends
			rest := text[i:]
			if data, ok := bytes.CutPrefix(rest, []byte("<![CDATA[")); ok {
				data, _, _ = bytes.Cut(data, []byte("]]>"))
				dst = append(dst, data...)
				i += len("<![CDATA[") + len(data) + len("]]>") - 1
				continue
			}
			end := "?>"
			if rest[1] == '!' {
				end = "-->"
			}
			i += bytes.Index(rest, []byte(end)) + len(end) - 1
		default:
			dst = append(dst, c)
		}
	}
	return dst, nil
}

var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'"}

func appendEntity(dst []byte, name string) ([]byte, error) {
	if text, ok := entities[name]; ok {
		return append(dst, text...), nil
	}
	digits, base := "", 10
	switch {
	case len(name) > 2 && name[0] == '#' && name[1] == 'x':
		digits, base = name[2:], 16
	case len(name) > 1 && name[0] == '#':
		digits = name[1:]
	default:
		return dst, errXML
	}
	r, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !utf8.ValidRune(rune(r)) {
		return dst, errXML
	}
	return utf8.AppendRune(dst, rune(r)), nil
}

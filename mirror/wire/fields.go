package wire

import (
	"bytes"
	"math"
)

const (
	// maxFields bounds the header fields of a response.
	maxFields = 256
	// maxName is the longest name of a field that is remembered, or asked for, in bytes.
	maxName = 64
)

// Fields are the header fields of a response, as RFC 9112 section 5 has them, and no more
// leniently. Those of one server stand in the same order in nearly all of its responses,
// so a name that stands where it stood before is known at a glance.
type Fields struct {
	text []byte // a head, in memory of its own: values stay as the body is read
	all  []field
	n    int // those of all that are of this head; the others are what former ones had
}

type field struct {
	spelled string // the name as it stands there, and the colon
	name    string // in lower case; empty if it is longer than any that is asked for
	value   []byte // without the blanks around it
}

// Parse takes the head of a response, from its status line to its blank line, and keeps
// nothing of raw. Each line ends in CRLF: others may see the end of one in a line feed or
// a return alone. Its error is mirror.ErrFraming.
func (f *Fields) Parse(raw []byte) error {
	f.text, f.n = append(f.text[:0], raw...), 0
	rest := f.text[bytes.IndexByte(f.text, '\n')+1:]
	for len(rest) > len("\r\n") {
		if f.n == maxFields {
			return framingError("more than %d header fields", maxFields)
		}
		if f.n == len(f.all) {
			f.all = append(f.all, field{})
		}
		at := &f.all[f.n]
		n := len(at.spelled)
		if n == 0 || n > len(rest) || string(rest[:n]) != at.spelled {
			if n = nameLength(rest) + 1; n == 1 || rest[n-1] != ':' {
				return framingError("header field %.40q", rest)
			}
			if at.spelled, at.name = "", ""; n <= maxName {
				at.spelled, at.name = string(rest[:n]), string(bytes.ToLower(rest[:n-1]))
			}
		}
		end := bytes.IndexByte(rest, '\n')
		if rest[end-1] != '\r' {
			return framingError("bare line feed in the head: %.40q", rest)
		}
		at.value, rest = trim(rest[n:end-1]), rest[end+1:]
		f.n++
	}
	if bytes.Count(f.text, []byte("\r")) != f.n+len("\r\n") {
		return framingError("bare return in the head")
	}
	if bytes.IndexByte(f.text, 0) >= 0 {
		return framingError("zero byte in the head")
	}
	return nil
}

// token has the bytes that a field's name may have (RFC 9110 section 5.6.2).
var token = func() (is [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		is[c] = true
	}
	return is
}()

// nameLength is the length of the name that a line begins with.
func nameLength(line []byte) int {
	n := 0
	for token[line[n]] { // a line feed is none
		n++
	}
	return n
}

func trim(value []byte) []byte {
	for len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for n := len(value); n > 0 && (value[n-1] == ' ' || value[n-1] == '\t'); n = len(value) {
		value = value[:n-1]
	}
	return value
}

// Get is the value of the first field of that name, which is in lower case; nil without
// one. It is valid until the next Parse.
func (f *Fields) Get(name string) []byte {
	for i := range f.all[:f.n] {
		if f.all[i].name == name {
			return f.all[i].value
		}
	}
	return nil
}

// Values are the values of all fields of that name, which is in lower case.
func (f *Fields) Values(name string) (values [][]byte) {
	for _, at := range f.all[:f.n] {
		if at.name == name {
			values = append(values, at.value)
		}
	}
	return values
}

// framing is what the fields say of the body's length, which may be chunked or untilEOF,
// and whether the connection ends behind it.
func (f *Fields) framing() (length int64, closing bool, err error) {
	length = untilEOF
	for i := range f.all[:f.n] {
		value := f.all[i].value
		switch f.all[i].name {
		case "content-length":
			if length != untilEOF { // by another of these, or in chunks
				// Which was meant is how requests and answers are smuggled (RFC
				// 9112 section 6.3).
				return 0, false, framingError("more than one Content-Length or Transfer-Encoding")
			}
			if length = bodyLength(value); length < 0 {
				return 0, false, framingError("Content-Length %.40q", value)
			}
		case "transfer-encoding":
			if length != untilEOF {
				return 0, false, framingError("more than one Content-Length or Transfer-Encoding")
			}
			if length = chunked; !bytes.EqualFold(value, []byte("chunked")) {
				return 0, false, framingError("Transfer-Encoding %.40q", value)
			}
		case "connection":
			closing = closing || hasToken(value, "close")
		}
	}
	return length, closing, nil
}

// bodyLength is a length in decimal digits, -1 where it is none.
func bodyLength(value []byte) (n int64) {
	if len(value) == 0 {
		return -1
	}
	for _, c := range value {
		if c-'0' > 9 || n > (math.MaxInt64-9)/10 {
			return -1
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// hasToken reports whether a word stands in a list.
func hasToken(list []byte, word string) bool {
	for item := range bytes.SplitSeq(list, []byte(",")) {
		if bytes.EqualFold(trim(item), []byte(word)) {
			return true
		}
	}
	return false
}

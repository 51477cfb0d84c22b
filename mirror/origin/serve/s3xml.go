package serve

import "time"

// XML is written by hand, for encoding/xml would be most of what a listing costs.

const (
	xmlHead     = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	upperHex    = "0123456789ABCDEF"
)

// xmlEscapes has the reference for each byte that does not stand for itself in XML
// text. Control characters are none in XML 1.0, not even as references; S3 sends
// these all the same, and has encoding-type=url for clients that cannot read them.
// Bytes from 0x80 on go out as they are, as in the pages of our own protocol.
var xmlEscapes = func() (t [256]string) {
	for b := range byte(' ') {
		t[b] = "&#x" + string(upperHex[b&0xf]) + ";"
		if b > 0xf {
			t[b] = "&#x1" + string(upperHex[b&0xf]) + ";"
		}
	}
	t[0x7f] = "&#x7F;"
	t['&'], t['<'], t['>'], t['"'], t['\''] = "&amp;", "&lt;", "&gt;", "&quot;", "&apos;"
	return t
}()

// appendXML appends s as XML text.
func appendXML[S []byte | string](dst []byte, s S) []byte {
	start := 0
	for i := range len(s) {
		if escape := xmlEscapes[s[i]]; escape != "" {
			dst = append(dst, s[start:i]...)
			dst = append(dst, escape...)
			start = i + 1
		}
	}
	return append(dst, s[start:]...)
}

// appendElement appends an element that has text alone.
func appendElement[S []byte | string](dst []byte, name string, text S) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = appendXML(dst, text)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// urlPlain says which bytes encoding-type=url leaves as they are: S3 encodes as Java
// does, and leaves the slashes. A space becomes a plus.
var urlPlain = func() (t [256]bool) {
	for b := range t {
		t[b] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
			b == '.' || b == '-' || b == '*' || b == '_' || b == '/'
	}
	return t
}()

// appendURL appends s as encoding-type=url has it.
func appendURL(dst, s []byte) []byte {
	start := 0
	for i, b := range s {
		if urlPlain[b] {
			continue
		}
		dst = append(dst, s[start:i]...)
		if start = i + 1; b == ' ' {
			dst = append(dst, '+')
		} else {
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&0xf])
		}
	}
	return append(dst, s[start:]...)
}

// appendISOTime appends t as "2009-10-12T17:50:30.000Z".
func appendISOTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendPadded(dst, int64(year), 4)
	dst = append(dst, '-', digit(int(month)/10), digit(int(month)), '-', digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':', digit(second/10), digit(second), '.')
	dst = appendPadded(dst, int64(t.Nanosecond()/int(time.Millisecond)), 3)
	return append(dst, 'Z')
}

// digit is the last digit of n.
func digit(n int) byte { return byte('0' + n%10) }

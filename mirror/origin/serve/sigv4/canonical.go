package sigv4

import "bytes"

// canonical makes the canonical request.
func (c *Checker) canonical(method, target, body []byte) error {
	path, query, _ := bytes.Cut(target, []byte{'?'})
	b := c.request[:0]
	b = append(b, method...)
	b = append(b, '\n')
	b = appendEncoded(b, path, pathPlain, false)
	b = append(b, '\n')
	b = c.appendQuery(b, query)
	b = append(b, '\n')
	b = c.appendSigned(b)
	b = append(b, '\n')
	b = append(b, c.auth.signedHeaders...)
	b = append(b, '\n')
	b = append(b, body...)
	c.request = b
	for i := range c.fields {
		if f := &c.fields[i]; !f.signed && mustSign(f.name.of(c.header)) {
			return ErrUnsigned
		}
	}
	return nil
}

// appendSigned appends the signed header fields. A name that is signed and not sent
// has an empty value.
func (c *Checker) appendSigned(dst []byte) []byte {
	for names := c.auth.signedHeaders; len(names) > 0; {
		var name []byte
		name, names, _ = bytes.Cut(names, []byte{';'})
		dst = append(dst, name...)
		between := byte(':')
		for i := range c.fields {
			if f := &c.fields[i]; equalFold(f.name.of(c.header), name) {
				f.signed = true
				dst = append(dst, between)
				dst = appendSingleSpaced(dst, f.value.of(c.header))
				between = ','
			}
		}
		if between == ':' {
			dst = append(dst, ':')
		}
		dst = append(dst, '\n')
	}
	return dst
}

// appendSingleSpaced appends a value with each row of spaces as one.
func appendSingleSpaced(dst, value []byte) []byte {
	for {
		i := bytes.IndexByte(value, ' ')
		if i < 0 {
			return append(dst, value...)
		}
		dst = append(dst, value[:i+1]...)
		for value = value[i+1:]; len(value) > 0 && value[0] == ' '; {
			value = value[1:]
		}
	}
}

// param is a parameter of a query, encoded.
type param struct{ key, value span }

// span is a part of a buffer. Slices in its place would cost the garbage collector's
// write barriers.
type span struct{ from, to int }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

// appendQuery appends the parameters of a query in their order.
func (c *Checker) appendQuery(dst, query []byte) []byte {
	if len(query) == 0 {
		return dst
	}
	c.params, c.values = c.params[:0], c.values[:0]
	for len(query) > 0 {
		var one []byte
		one, query, _ = bytes.Cut(query, []byte{'&'})
		if len(one) == 0 {
			continue
		}
		key, value, _ := bytes.Cut(one, []byte{'='})
		c.insert(param{c.encode(key), c.encode(value)})
	}
	for i, p := range c.params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.key.of(c.values)...)
		dst = append(dst, '=')
		dst = append(dst, p.value.of(c.values)...)
	}
	return dst
}

// encode keeps a part of a query, encoded.
func (c *Checker) encode(part []byte) span {
	from := len(c.values)
	c.values = appendEncoded(c.values, part, queryPlain, true)
	return span{from, len(c.values)}
}

// insert puts a parameter into its place. There are few.
func (c *Checker) insert(p param) {
	c.params = append(c.params, p)
	for i := len(c.params) - 1; i > 0 && c.less(p, c.params[i-1]); i-- {
		c.params[i-1], c.params[i] = c.params[i], c.params[i-1]
	}
}

// less reports whether a stands before b.
func (c *Checker) less(a, b param) bool {
	if d := bytes.Compare(a.key.of(c.values), b.key.of(c.values)); d != 0 {
		return d < 0
	}
	return bytes.Compare(a.value.of(c.values), b.value.of(c.values)) < 0
}

// Bytes that are not encoded.
var (
	queryPlain = plain("-._~")
	pathPlain  = plain("-._~/")
)

// plain has the letters, the digits and those bytes.
func plain(others string) *[256]bool {
	t := &[256]bool{}
	for b := range t {
		t[b] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
	}
	for i := range len(others) {
		t[others[i]] = true
	}
	return t
}

const upperHex = "0123456789ABCDEF"

// appendEncoded appends src decoded and encoded again. What is no right encoding is
// taken for what it looks like.
func appendEncoded(dst, src []byte, plain *[256]bool, plusIsSpace bool) []byte {
	start := 0
	for i := 0; i < len(src); i++ {
		b := src[i]
		if plain[b] {
			continue
		}
		dst = append(dst, src[start:i]...)
		switch {
		case b == '+' && plusIsSpace:
			b = ' '
		case b == '%' && i+2 < len(src) && unhex(src[i+1])|unhex(src[i+2]) != noHex:
			b = unhex(src[i+1])<<4 | unhex(src[i+2])
			i += 2
		}
		if start = i + 1; plain[b] {
			dst = append(dst, b)
		} else {
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&0xf])
		}
	}
	return append(dst, src[start:]...)
}

// noHex is the value of what is no hexadecimal digit: all bits, so that it stays what
// it is beside any other.
const noHex = 0xff

// unhex is the value of a hexadecimal digit.
func unhex(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return b - '0'
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10
	}
	return noHex
}

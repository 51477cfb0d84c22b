package serve

// A page is encoded by hand: encoding/json would replace the bytes of a name
// that is not valid UTF-8, and it costs ten times as much.

const hexDigits = "0123456789abcdef"

// plainByte says which bytes stand for themselves in a JSON string. Bytes from
// 0x80 on do: where they are valid UTF-8 that is JSON, and where they are not,
// raw bytes are what the protocol promises.
var plainByte = func() (t [256]bool) {
	for b := range t {
		t[b] = b >= ' ' && b != '"' && b != '\\'
	}
	return t
}()

// appendString appends s as a JSON string.
func appendString[S []byte | string](dst []byte, s S) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		if plainByte[s[i]] {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, s[i])
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendEscape appends the escape of a byte that is not plain.
func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&0xf])
	}
}

// pageEncoder writes one page.
type pageEncoder struct {
	buf []byte
	n   int
}

// begin starts a page in the encoder's memory.
func (e *pageEncoder) begin() {
	e.buf = append(e.buf[:0], `{"FileNames": [`...)
	e.n = 0
}

// add writes one name.
func (e *pageEncoder) add(name []byte) {
	if e.n > 0 {
		e.buf = append(e.buf, ", "...)
	}
	e.n++
	e.buf = appendString(e.buf, name)
}

// end finishes the page; an empty next makes it the last one.
func (e *pageEncoder) end(next string) []byte {
	e.buf = append(e.buf, ']')
	if next != "" {
		e.buf = append(e.buf, `, "NextFile": `...)
		e.buf = appendString(e.buf, next)
	}
	e.buf = append(e.buf, "}\n"...)
	return e.buf
}

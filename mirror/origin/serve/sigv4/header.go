package sigv4

import (
	"bytes"
	"net/http"
	"time"
)

// headerField is one line of Checker.header.
type headerField struct {
	name, value span
	signed      bool
}

// split finds the fields of a header. A line that is none is left out.
func (c *Checker) split(header []byte) {
	c.header, c.fields = header, c.fields[:0]
	for at := 0; at < len(header); {
		end := len(header)
		if i := bytes.IndexByte(header[at:], '\n'); i >= 0 {
			end = at + i
		}
		if i := bytes.IndexByte(header[at:end], ':'); i > 0 {
			from, to := at+i+1, end
			if to > from && header[to-1] == '\r' {
				to--
			}
			for from < to && isBlank(header[from]) {
				from++
			}
			for from < to && isBlank(header[to-1]) {
				to--
			}
			c.fields = append(c.fields, headerField{name: span{at, at + i}, value: span{from, to}})
		}
		at = end + 1
	}
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// equalFold reports whether a name is one that is given in lower case.
func equalFold[S []byte | string](name []byte, lower S) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range len(lower) {
		b := name[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

// value is that of the first field of a name, nil if there is none.
func (c *Checker) value(name string) []byte {
	for i := range c.fields {
		if f := &c.fields[i]; equalFold(f.name.of(c.header), name) {
			return f.value.of(c.header)
		}
	}
	return nil
}

// mustSign reports a field that no signature may leave out.
func mustSign(name []byte) bool {
	const prefix = "x-amz-"
	return len(name) > len(prefix) && equalFold(name[:len(prefix)], prefix) || equalFold(name, "host")
}

// authorization is what an Authorization header says.
type authorization struct {
	scope                    []byte // day/region/service/end
	accessKey                []byte
	day, region              []byte
	service, end             []byte
	signedHeaders, signature []byte
}

// parse reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func (a *authorization) parse(value []byte) error {
	*a = authorization{}
	if value == nil {
		return ErrNone
	}
	rest, ok := bytes.CutPrefix(value, []byte(algorithm+" "))
	if !ok {
		return ErrAlgorithm
	}
	var credential []byte
	for len(rest) > 0 {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte{','})
		key, value, _ := bytes.Cut(bytes.TrimSpace(part), []byte{'='})
		switch string(key) {
		case "Credential":
			credential = value
		case "SignedHeaders":
			a.signedHeaders = value
		case "Signature":
			a.signature = value
		}
	}
	if len(a.signedHeaders) == 0 || len(a.signature) == 0 || !a.parseCredential(credential) {
		return ErrMalformed
	}
	return nil
}

// parseCredential reads "key/day/region/service/end" from its end, for a key may
// have slashes.
func (a *authorization) parseCredential(credential []byte) bool {
	rest := credential
	for _, part := range [...]*[]byte{&a.end, &a.service, &a.region, &a.day} {
		slash := bytes.LastIndexByte(rest, '/')
		if slash < 0 {
			return false
		}
		*part, rest = rest[slash+1:], rest[:slash]
	}
	a.accessKey = rest
	a.scope = credential[len(rest)+1:]
	return len(rest) > 0 && len(a.day) == len("20130524")
}

// time is the time of the request as it is signed, and as one.
func (c *Checker) time() (date []byte, at time.Time, ok bool) {
	if date = c.value("x-amz-date"); date != nil {
		at, ok = parseTime(date)
		return date, at, ok
	}
	at, err := http.ParseTime(string(c.value("date")))
	return at.UTC().AppendFormat(nil, "20060102T150405Z"), at, err == nil
}

// parseTime reads "20130524T000000Z".
func parseTime(b []byte) (time.Time, bool) {
	const form = "20130524T000000Z"
	if len(b) != len(form) || b[8] != 'T' || b[15] != 'Z' {
		return time.Time{}, false
	}
	var n [6]int
	for i, span := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {9, 11}, {11, 13}, {13, 15}} {
		for _, d := range b[span[0]:span[1]] {
			if d < '0' || d > '9' {
				return time.Time{}, false
			}
			n[i] = n[i]*10 + int(d-'0')
		}
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC), true
}

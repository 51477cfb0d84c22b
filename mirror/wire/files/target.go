package files

// UpperHex are the digits of percent-encoding.
const UpperHex = "0123456789ABCDEF"

// Unhex is the value of a hexadecimal digit, -1 where c is none.
func Unhex(c byte) int {
	switch {
	case c-'0' < 10:
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	default:
		return -1
	}
}

// plain says which bytes of a name stand for themselves: the unreserved ones
// of RFC 3986 section 2.3, and the slash.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = isAlnum(byte(c)) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/'
	}
	return t
}()

func isAlnum(c byte) bool {
	return c-'0' < 10 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// AppendName percent-encodes a name. Components that are "." or ".." have
// their dots encoded too, as those are resolved on the way where they stand
// plain (RFC 3986 section 5.2.4).
func AppendName(dst []byte, name string) []byte {
	for i := range len(name) {
		if !plain[name[i]] || name[i] == '.' && (i == 0 || name[i-1] == '/') {
			return appendOddName(dst, name)
		}
	}
	return append(dst, name...)
}

func appendOddName(dst []byte, name string) []byte {
	start := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		part := name[start:i]
		dots := part == "." || part == ".."
		for j := range len(part) {
			if c := part[j]; plain[c] && !dots {
				dst = append(dst, c)
			} else {
				dst = append(dst, '%', UpperHex[c>>4], UpperHex[c&15])
			}
		}
		if i < len(name) {
			dst = append(dst, '/')
		}
		start = i + 1
	}
	return dst
}

// AppendQuery percent-encodes the value of a query's field.
func AppendQuery(dst []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; plain[c] && c != '/' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', UpperHex[c>>4], UpperHex[c&15])
		}
	}
	return dst
}

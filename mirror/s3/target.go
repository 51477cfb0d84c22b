package s3

import "github.com/motefs/motefs/mirror/wire/files"

// unescape appends what the percent-encoding of encoding-type=url stands for, in which
// some servers write a space as a plus. ok is false where it is none.
func unescape(dst, raw []byte) (_ []byte, ok bool) {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '+':
			dst = append(dst, ' ')
		case '%':
			if i+2 >= len(raw) {
				return dst, false
			}
			hi, lo := files.Unhex(raw[i+1]), files.Unhex(raw[i+2])
			if hi < 0 || lo < 0 {
				return dst, false
			}
			dst = append(dst, byte(hi<<4|lo))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

package sigv4

import (
	"bytes"
	"testing"
)

// FuzzCheck has no request pass that is not signed.
func FuzzCheck(f *testing.F) {
	for _, e := range examples {
		f.Add([]byte(e.method), []byte(e.target), []byte(e.header+authorizationLine(exampleScope, e.signed, "0"+e.signature[1:])))
	}
	c := exampleChecker()
	f.Fuzz(func(t *testing.T, method, target, header []byte) {
		for _, e := range examples {
			if bytes.Contains(header, []byte(e.signature)) {
				return
			}
		}
		if c.Check(method, target, header) == nil {
			t.Errorf("%q %q %q passes", method, target, header)
		}
	})
}

// FuzzEncoded has an encoding of what is encoded be the same.
func FuzzEncoded(f *testing.F) {
	for _, s := range []string{"", "/a b+c%2F%2f%", "\x00\xff%zz%1", "é~"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		for _, plain := range []*[256]bool{pathPlain, queryPlain} {
			once := appendEncoded(nil, s, plain, plain == queryPlain)
			if twice := appendEncoded(nil, once, plain, plain == queryPlain); !bytes.Equal(once, twice) {
				t.Errorf("%q is %q, which is %q", s, once, twice)
			}
		}
	})
}

package wire

import (
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// TestSign has every request be signed for its own target: those of rounds, guards,
// and single ones.
func TestSign(t *testing.T) {
	for _, pipeline := range []int{1, 2, 1 << 20} {
		s := wiretest.Serve(t, func(c *wiretest.Conn) {
			for {
				target, ok := c.Next()
				switch {
				case !ok:
					return
				case c.Field("Signature") != strings.ToUpper(target):
					t.Errorf("%q is signed %q", target, c.Field("Signature"))
				}
				c.File(target)
			}
		})
		sign := func(dst, target []byte) []byte {
			dst = append(dst, "Signature: "...)
			for _, c := range target {
				if 'a' <= c && c <= 'z' {
					c -= 'a' - 'A'
				}
				dst = append(dst, c)
			}
			return append(dst, "\r\n"...)
		}
		c := newClient(t, Options{URL: s.Base(), Pipeline: pipeline, Sign: sign})
		teach(t, c)
		names := numbered(500)
		checkEcho(t, names, fetchAll(t, c, names...))
		if body, err := fetchOne(t.Context(), c, "/one"); body != "/one" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		if c.Counts().Guards == 0 {
			t.Error("no guard was asked for")
		}
	}
}

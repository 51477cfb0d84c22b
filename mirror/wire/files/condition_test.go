package files

import (
	"bytes"
	"testing"
)

// FuzzETag has no ETag, whatever it is, end its field.
func FuzzETag(f *testing.F) {
	for _, tag := range []string{"", `"a"`, `W/"a"`, "\"\r\nX: y\"", "\"\x00\"", `W/`, `"`, "*", `"a", "b"`} {
		f.Add([]byte(tag), int64(0))
	}
	f.Fuzz(func(t *testing.T, etag []byte, modTime int64) {
		field := AppendCondition(nil, etag, modTime)
		if len(field) == 0 {
			return
		}
		rest, ok := bytes.CutSuffix(field, []byte("\r\n"))
		if i := bytes.IndexFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7f }); !ok || i >= 0 {
			t.Errorf("%q, %d: %q", etag, modTime, field)
		}
		if value, ok := bytes.CutPrefix(rest, []byte(ifNoneMatch)); ok && (!bytes.Equal(value, etag) || bytes.Count(value, []byte(`"`)) != 2) {
			t.Errorf("%q: %q", etag, value)
		}
	})
}

package files

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

const (
	// maxETag is the longest ETag that is sent back, in bytes. Servers bound the
	// head of a request at some KiB.
	maxETag = 1 << 10
	// MaxTime is the last second that a date has four digits of a year for.
	MaxTime = 253402300799
	// maxPooledConditions is the most that is kept of the conditions of one Fetch,
	// in bytes.
	maxPooledConditions = 1 << 20
)

const (
	ifNoneMatch     = "If-None-Match: "
	ifModifiedSince = "If-Modified-Since: "
	fieldEnd        = "\r\n"
)

// conditions are those of one Fetch: for each name the version that the caller has,
// as the field that says so.
type conditions struct {
	fields []byte // one after another
	of     []condition
}

// condition is that of one name.
type condition struct {
	end     int // in fields, where it begins at the end of the one before; as far where there is none
	modTime int64
}

// conditions asks what is known of n names. It returns nil where nobody knows.
func (g *Getter) conditions(n int, r *mirror.Receiver) *conditions {
	if r.Known == nil {
		return nil
	}
	cs, _ := g.conditioned.Get().(*conditions)
	if cs == nil {
		cs = &conditions{}
	}
	cs.fields, cs.of = cs.fields[:0], cs.of[:0]
	for i := range n {
		etag, modTime := r.Known(i)
		cs.fields = AppendCondition(cs.fields, etag, modTime)
		cs.of = append(cs.of, condition{len(cs.fields), modTime})
	}
	if len(cs.fields) > 0 && !g.conditional.Load() {
		g.conditional.Store(true)
	}
	return cs
}

// keep keeps the memory of conditions that are not used any more.
func (g *Getter) keep(cs *conditions) {
	if cs != nil && cap(cs.fields)+cap(cs.of)*16 <= maxPooledConditions {
		g.conditioned.Put(cs)
	}
}

// field is the condition of name i, empty without one.
func (cs *conditions) field(i int) []byte {
	if cs == nil {
		return nil
	}
	from := 0
	if i > 0 {
		from = cs.of[i-1].end
	}
	return cs.fields[from:cs.of[i].end]
}

// AppendCondition appends the field that asks for another version than this one:
// by its ETag, weak or strong, or by its time where it has none that can be sent.
func AppendCondition(dst, etag []byte, modTime int64) []byte {
	switch {
	case ValidETag(etag):
		dst = append(dst, ifNoneMatch...)
		dst = append(dst, etag...)
	case modTime > 0 && modTime <= MaxTime:
		dst = append(dst, ifModifiedSince...)
		dst = time.Unix(modTime, 0).UTC().AppendFormat(dst, http.TimeFormat)
	default:
		return dst
	}
	return append(dst, fieldEnd...)
}

// ValidETag reports whether an ETag is one of RFC 9110 section 8.8.3, but that it may
// have spaces. Another could end its field and begin one of its own, or be a list of
// ETags, or a star, to which a server says that any version is the same.
func ValidETag[S []byte | string](etag S) bool {
	if len(etag) > 2 && etag[0] == 'W' && etag[1] == '/' {
		etag = etag[2:]
	}
	if len(etag) < 2 || len(etag) > maxETag || etag[0] != '"' || etag[len(etag)-1] != '"' {
		return false
	}
	for i := 1; i < len(etag)-1; i++ {
		if c := etag[i]; c < ' ' || c == '"' || c == 0x7f {
			return false
		}
	}
	return true
}

// answers reports whether a 304 can be the answer to this condition, by what it says
// of the version that the server has: the same ETag or, where one of the two is
// missing, the same time. A file with an older time is not modified since, but it is
// another one all the same. A server that says nothing of either is believed.
func answers(a *wire.Answer, field []byte, modTime int64) bool {
	if etag, ok := bytes.CutPrefix(bytes.TrimSuffix(field, []byte(fieldEnd)), []byte(ifNoneMatch)); ok && len(a.ETag) > 0 {
		return SameETag(string(etag), string(a.ETag))
	}
	return a.ModTime == 0 || modTime == 0 || a.ModTime == modTime
}

// SameETag compares as RFC 9110 section 8.8.3.2 does for an If-None-Match: weak or
// strong is all the same.
func SameETag(a, b string) bool { return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/") }

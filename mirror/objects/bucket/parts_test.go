package bucket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// uploads is a server's side of uploads in parts. It has one at a time.
type uploads struct {
	mu       sync.Mutex
	parts    map[int][]byte
	tried    map[int]int
	aborted  int
	complete string // the document that asks for it
	// refuse, where it is not nil, may answer the n-th try of a part, from 1; that of putting
	// them together is part 0.
	refuse func(w http.ResponseWriter, part, try int) bool
	whole  func(text []byte)
}

func (u *uploads) answer(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	u.mu.Lock()
	defer u.mu.Unlock()
	part, _ := strconv.Atoi(q.Get("partNumber"))
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		u.parts, u.tried = map[int][]byte{}, map[int]int{}
		fmt.Fprint(w, "<InitiateMultipartUploadResult><Bucket>bucket</Bucket><UploadId>an id/+=</UploadId></InitiateMultipartUploadResult>")
		return true
	case q.Get("uploadId") != "an id/+=":
		return false
	case r.Method == http.MethodDelete:
		u.aborted++
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	u.tried[part]++
	if u.refuse != nil && u.refuse(w, part, u.tried[part]) {
		return true
	}
	if part > 0 {
		u.parts[part] = body
		w.Header().Set("ETag", fmt.Sprintf(`"<%d>"`, part))
		return true
	}
	u.complete = string(body)
	var whole []byte
	for i := range len(u.parts) {
		whole = append(whole, u.parts[i+1]...)
	}
	u.whole(whole)
	fmt.Fprint(w, "<CompleteMultipartUploadResult><ETag>\"all\"</ETag></CompleteMultipartUploadResult>")
	return true
}

// TestUploads puts an object in parts, some of which are refused at first, or always.
func TestUploads(t *testing.T) {
	text := make([]byte, 1003)
	for i := range text {
		text[i] = byte(i)
	}
	for name, c := range map[string]struct {
		refuse func(w http.ResponseWriter, part, try int) bool
		want   string // in the error
		passes bool
	}{
		"well": {},
		"a part is refused once": {refuse: func(w http.ResponseWriter, part, try int) bool {
			return part == 3 && try == 1 && refusing(503, "SlowDown")(w, nil)
		}},
		"a part may not be put": {refuse: func(w http.ResponseWriter, part, _ int) bool {
			return part == 3 && refusing(403, "AccessDenied")(w, nil)
		}, want: "part 3: S3 answered 403"},
		"a part has no ETag": {refuse: func(_ http.ResponseWriter, part, _ int) bool { return part == 2 }, want: "part 2: unfit"},
		"they cannot be put together, with status 200": {refuse: func(w http.ResponseWriter, part, _ int) bool {
			return part == 0 && refusing(200, "InternalError")(w, nil)
		}, want: "put 11 parts together: S3 answered 500", passes: true},
		"an answer that is none": {refuse: func(_ http.ResponseWriter, part, _ int) bool { return part == 0 }, want: "put 11 parts together"},
	} {
		m := objectstest.New(objectstest.Options{})
		u := &uploads{refuse: c.refuse, whole: func(text []byte) {
			if err := m.Put(t.Context(), "a", objects.BytesBody(text)); err != nil {
				t.Error(err)
			}
		}}
		s := open(t, serve(t, &objectstest.S3{Memory: m, Before: u.answer}))
		s.singleBytes, s.partBytes = 1002, 100
		err := s.Put(t.Context(), "a", objects.BytesBody(text))
		switch {
		case c.want == "":
			if err != nil || !slices.Equal(m.Objects()["a"], text) || u.aborted != 0 || len(u.parts) != 11 {
				t.Errorf("%s: %v, %d bytes in %d parts, aborted %d times", name, err, len(m.Objects()["a"]), len(u.parts), u.aborted)
			}
			if !strings.Contains(u.complete, "<Part><PartNumber>2</PartNumber><ETag>&#34;&lt;2&gt;&#34;</ETag></Part>") {
				t.Errorf("%s: %s", name, u.complete)
			}
		case err == nil || !strings.Contains(err.Error(), c.want) || mirror.Temporary(err) != c.passes:
			t.Errorf("%s: %v", name, err)
		case len(m.Objects()) != 0 || u.aborted != 1:
			t.Errorf("%s: %d objects, aborted %d times", name, len(m.Objects()), u.aborted)
		}
	}
	m := objectstest.New(objectstest.Options{})
	s := open(t, serve(t, &objectstest.S3{Memory: m}))
	s.singleBytes = int64(len(text))
	if err := s.Put(t.Context(), "a", objects.BytesBody(text)); err != nil {
		t.Errorf("one that is just short enough: %v", err)
	}
	if err := s.Create(t.Context(), "b", objects.Body{ReaderAt: bytes.NewReader(nil), Size: maxSingle + 1}); !errors.Is(err, mirror.ErrTooLarge) {
		t.Errorf("a claim of more than S3 takes at once: %v", err)
	}
}

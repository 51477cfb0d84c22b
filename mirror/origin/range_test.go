package origin

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestFetchRange has a part come by each kind of validator, and every answer
// refused that is not the very part of the very version.
func TestFetchRange(t *testing.T) {
	when := time.Unix(1_600_000_000, 0)
	body := []byte("0123456789")
	part := func(etag string, modTime int64) mirror.Part {
		return mirror.Part{Off: 3, Len: 4, Size: 10, ETag: etag, ModTime: modTime}
	}
	for what, c := range map[string]struct {
		file  origintest.File
		part  mirror.Part
		fault origintest.Fault
		want  error
	}{
		"strong ETag":       {file: origintest.File{ETag: `"a"`}, part: part(`"a"`, 0)},
		"date":              {file: origintest.File{ModTime: when}, part: part("", when.Unix())},
		"weak ETag, date":   {file: origintest.File{ETag: `W/"a"`, ModTime: when}, part: part(`W/"a"`, when.Unix())},
		"weak ETag":         {file: origintest.File{ETag: `W/"a"`}, part: part(`W/"a"`, 0), want: mirror.ErrRange},
		"no validator":      {part: part("", 0), want: mirror.ErrRange},
		"another ETag":      {file: origintest.File{ETag: `"b"`}, part: part(`"a"`, 0), want: mirror.ErrRange},
		"another date":      {file: origintest.File{ModTime: when}, part: part("", 1), want: mirror.ErrRange},
		"weak one changed":  {file: origintest.File{ETag: `W/"b"`, ModTime: when}, part: part(`W/"a"`, when.Unix()), want: mirror.ErrRange},
		"ignored":           {file: origintest.File{ETag: `"a"`}, part: part(`"a"`, 0), fault: origintest.Fault{NoRange: true}, want: mirror.ErrRange},
		"another part":      {file: origintest.File{ETag: `"a"`}, part: part(`"a"`, 0), fault: origintest.Fault{ContentRange: "bytes 0-3/10"}, want: mirror.ErrRange},
		"another total":     {file: origintest.File{ETag: `"a"`}, part: part(`"a"`, 0), fault: origintest.Fault{ContentRange: "bytes 3-6/11"}, want: mirror.ErrRange},
		"a length too many": {file: origintest.File{ETag: `"a"`}, part: part(`"a"`, 0), fault: origintest.Fault{Mode: origintest.Length, N: 1}, want: mirror.ErrRange},
		"cut":               {file: origintest.File{ETag: `"a"`}, part: part(`"a"`, 0), fault: origintest.Fault{Mode: origintest.CutBody, N: 2}, want: mirror.ErrCut},
		"gone":              {file: origintest.File{ETag: `"a"`}, part: part(`"a"`, 0), fault: origintest.Fault{Status: 404}, want: mirror.ErrGone},
		"beyond its end":    {file: origintest.File{ETag: `"a"`}, part: mirror.Part{Off: 10, Len: 1, Size: 11, ETag: `"a"`}, want: mirror.ErrRange},
	} {
		t.Run(what, func(t *testing.T) {
			c.file.Name, c.file.Body = "a b", body
			s, err := origintest.Open(serve.Options{}, origintest.NewFiles(c.file))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			s.SetFaults(origintest.Faults{OnRange: func([]byte, string) origintest.Fault { return c.fault }})
			client := newClient(t, Options{BaseURL: s.URL()})
			var got []byte
			err = client.FetchRange(t.Context(), "a b", c.part, func(obj *mirror.Object) (err error) {
				got, err = io.ReadAll(obj.Stream)
				return err
			})
			if !errors.Is(err, c.want) || c.want == nil && string(got) != "3456" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

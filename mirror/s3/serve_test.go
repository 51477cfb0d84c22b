package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/wire"
)

// signedServer is a server of ours that wants signatures, with a session's token or
// without.
func signedServer(t *testing.T, src serve.Source, token string) (*origintest.Server, Options) {
	t.Helper()
	s := origintest.New(t, serve.Options{S3: &serve.S3Options{AccessKey: "id", SecretKey: "secret", SessionToken: token, RequesterPays: token != ""}}, src)
	return s, Options{Bucket: "motefs", Endpoint: s.URL(), RequestPayer: token != "", Keys: func(context.Context) (Keys, error) {
		return Keys{ID: "id", Secret: "secret", Token: token}, nil
	}}
}

// TestOddKeys lists and gets keys with every byte, dots, slashes, and of the greatest
// length, each signed, from a server that checks signatures by code of its own.
func TestOddKeys(t *testing.T) {
	keys := []string{".", "..", "a/../b", "a/./b", "a//b", "//", "/", "/a", "a/", "a/b/", "...", "%2E%2E", "a+b c", "é", strings.Repeat("k", maxKey), strings.Repeat("/", 300)}
	for c := range 256 {
		keys = append(keys, fmt.Sprintf("byte-%03d-", c)+string([]byte{byte(c)})+"-")
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "p q/%/"} {
		for _, token := range []string{"", "a-session/+="} {
			var objects []origintest.File
			for _, key := range keys {
				objects = append(objects, origintest.File{Name: prefix + key, Body: []byte("of " + key), ModTime: time.Unix(1_700_000_000, 0)})
			}
			_, o := signedServer(t, origintest.NewFiles(objects...), token)
			o.Prefix = prefix
			for _, pipeline := range []int{1, 1 << 20} {
				o.Options = wire.Options{Pipeline: pipeline}
				c, err := New(o)
				if err != nil {
					t.Fatal(err)
				}
				names, _ := walkAll(t, c, "")
				if !slices.Equal(names, keys) {
					t.Errorf("prefix %q: %d names, want %d", prefix, len(names), len(keys))
				}
				err = c.Fetch(t.Context(), keys, mirror.Receiver{Receive: func(i int, obj *mirror.Object, err error) {
					if err != nil || string(obj.Body) != "of "+keys[i] {
						t.Errorf("prefix %q, token %q: %q: %v", prefix, token, wire.Clip(keys[i]), err)
					}
				}})
				if err != nil {
					t.Error(err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestParts gets a part of an object, and of one that is another by now.
func TestParts(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 1, BodySize: 1000, Validators: true})
	_, o := signedServer(t, src, "")
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	page, err := c.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	listed, _, err := page.Decode(nil, 1, nil)
	if err != nil || len(listed) != 1 || listed[0].Size != 1000 || listed[0].ETag == "" || listed[0].ModTime == 0 {
		t.Fatalf("%+v, %v", listed, err)
	}
	f := listed[0]
	part := mirror.Part{Off: 100, Len: 50, Size: f.Size, ETag: f.ETag, ModTime: f.ModTime}
	got := ""
	use := func(obj *mirror.Object) error {
		b, err := wire.ReadUpTo(nil, obj.Stream, 100)
		got = string(b)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	}
	if err := c.FetchRange(t.Context(), f.Name, part, use); err != nil || len(got) != 50 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	part.ETag = `"another"`
	if err := c.FetchRange(t.Context(), f.Name, part, use); err == nil {
		t.Error("a part of another version is taken")
	}
}

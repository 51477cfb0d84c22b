package versitygw_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/bucket"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/s3"
)

// TestBucket holds package bucket to what it promises on a server that is not ours.
func TestBucket(t *testing.T) {
	objectstest.Run(t, start)
}

// start runs a server with an empty bucket.
func start(t *testing.T) objects.Store {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bucket"), 0o755); err != nil {
		t.Fatal(err)
	}
	url, stop, err := versitygw.Start(t.Context(), dir)
	if errors.Is(err, versitygw.ErrMissing) && os.Getenv("MOTEFS_TEST_NO_S3_PROGRAMS") != "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s, err := bucket.New(s3.Options{Bucket: "bucket", Prefix: "a mirror+/", Endpoint: url, Region: versitygw.Region, Keys: func(context.Context) (s3.Keys, error) {
		return s3.Keys{ID: versitygw.AccessKey, Secret: versitygw.SecretKey}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestParts puts an object that is long enough to go in parts, the last of which is short.
func TestParts(t *testing.T) {
	s := start(t)
	text := make([]byte, 130<<20+12345)
	seed := [32]byte{1}
	_, _ = rand.NewChaCha8(seed).Read(text)
	if err := s.Put(t.Context(), "blobs/1", objects.BytesBody(text)); err != nil {
		t.Fatal(err)
	}
	got, size, err := objectstest.Get(t.Context(), s, "blobs/1", 0, -1)
	if err != nil || size != int64(len(text)) || !bytes.Equal(got, text) {
		t.Errorf("%d bytes of %d, %v", len(got), size, err)
	}
	if got, _, err := objectstest.Get(t.Context(), s, "blobs/1", 64<<20-5, 10); err != nil || !bytes.Equal(got, text[64<<20-5:64<<20+5]) {
		t.Errorf("between two parts: %x, %v", got, err)
	}
}

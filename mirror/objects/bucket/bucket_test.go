package bucket

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/rs/zerolog"
)

func TestMain(m *testing.M) { eventually.AllEnded(m) }

const testRegion = "eu-central-1"

// serve has a server of a bucket, of which the names are below an odd prefix.
func serve(t *testing.T, s *objectstest.S3) s3.Options {
	t.Helper()
	s.Bucket, s.Prefix = "bucket", "a folder/+&=@é/"
	s.Key = sigv4.Key{AccessKey: "id", SecretKey: "secret", SessionToken: "token/+=", Region: testRegion}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s3.Options{Bucket: s.Bucket, Prefix: s.Prefix, Endpoint: server.URL, Region: testRegion, Keys: func(context.Context) (s3.Keys, error) {
		return s3.Keys{ID: "id", Secret: "secret", Token: "token/+="}, nil
	}}
}

func open(t *testing.T, o s3.Options) *Store {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestBucket(t *testing.T) {
	for name, size := range map[string]int{"long pages": 0, "short pages": 3} {
		t.Run(name, func(t *testing.T) {
			objectstest.Run(t, func(t *testing.T) objects.Store {
				return open(t, serve(t, &objectstest.S3{Memory: objectstest.New(objectstest.Options{}), PageSize: size}))
			})
		})
	}
}

// TestTroubles has all of it pass over a server that has troubles.
func TestTroubles(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := objectstest.Some
	f.Slow, f.Throttled = 0, 0 // they wait in real time
	f.Refused, f.Away, f.Lost, f.Cut = f.Refused/5, f.Away/5, f.Lost/5, f.Cut/5
	s := objects.Retry(open(t, serve(t, &objectstest.S3{Memory: objectstest.New(objectstest.Options{Faults: f, Seed: seed}), PageSize: 10})), zerolog.Nop())
	if err := objects.Probe(t.Context(), s); err != nil {
		t.Error(err)
	}
}

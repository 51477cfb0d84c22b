package sigv4_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// wire is a request's target and header fields as net/http writes them.
func wire(t *testing.T, r *http.Request) (target, header []byte) {
	t.Helper()
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	line, header, _ := bytes.Cut(out.Bytes(), []byte("\r\n"))
	return bytes.Fields(line)[1], header
}

// TestOtherSigner has requests of all kinds pass as another signer signs them, and
// none of them when it was signed for something else.
func TestOtherSigner(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	text := func(max int) string {
		b := make([]byte, rng.IntN(max))
		for i := range b {
			b[i] = byte(rng.Uint32())
			if rng.IntN(2) == 0 {
				b[i] = "ab/ +%&=~*.-_"[rng.IntN(13)]
			}
		}
		return string(b)
	}
	now := time.Date(2026, 3, 1, 23, 50, 0, 0, time.UTC)
	key := sigv4.Key{AccessKey: "key/with/slashes", SecretKey: "secret", Region: "eu-central-1"}
	for n := range 2000 {
		if key.SessionToken = ""; n%2 == 0 {
			key.SessionToken = strings.Repeat("t+/=", 1+rng.IntN(300))
		}
		c := sigv4.NewChecker(key, func() time.Time { return now })
		for range 3 {
			r, err := http.NewRequest([]string{"GET", "HEAD"}[rng.IntN(2)], "http://bucket.example:9000/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path = "/" + text(40)
			q := url.Values{}
			for range rng.IntN(5) {
				q.Add(text(9), text(9))
			}
			r.URL.RawQuery = q.Encode()
			for i := range rng.IntN(4) {
				r.Header.Add([]string{"Range", "X-Amz-Meta-A", "x-amz-request-payer", "Accept"}[rng.IntN(4)], fmt.Sprintf("  %d   b  c", i))
			}
			if rng.IntN(2) == 0 {
				r.Header.Set("X-Amz-Content-Sha256", emptySum)
			}
			at := now.Add(time.Duration(rng.IntN(1800)-900) * time.Second) // also the next day
			origintest.SignS3(r, key, at)
			target, header := wire(t, r)
			if err := c.Check([]byte(r.Method), target, header); err != nil {
				t.Fatalf("%s %s: %v\n%s\n%s", r.Method, target, err, header, c.CanonicalRequest())
			}
			other := slices.Concat(target[:1], []byte("x"), target[1:])
			if err := c.Check([]byte(r.Method), other, header); !errors.Is(err, sigv4.ErrSignature) {
				t.Fatalf("%s %s, signed for %s: %v", r.Method, other, target, err)
			}
		}
	}
}

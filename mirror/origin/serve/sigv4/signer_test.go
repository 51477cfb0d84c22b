package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// sign signs a request the long way, by net/http and net/url: the other side of what
// is tested.
func sign(r *http.Request, k Key, at time.Time) {
	r.Header.Set("X-Amz-Date", at.UTC().Format("20060102T150405Z"))
	if r.Header.Get("X-Amz-Content-Sha256") == "" {
		r.Header.Set("X-Amz-Content-Sha256", unsignedBody)
	}
	if k.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", k.SessionToken)
	}
	names := []string{"host"}
	for name := range r.Header {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	var fields strings.Builder
	for _, name := range names {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		for i := range values {
			values[i] = strings.Join(strings.Fields(values[i]), " ")
		}
		fmt.Fprintf(&fields, "%s:%s\n", name, strings.Join(values, ","))
	}
	elems := strings.Split(r.URL.Path, "/")
	for i := range elems {
		elems[i] = strictEscape(elems[i])
	}
	params := strings.Split(strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20"), "&")
	slices.SortFunc(params, func(a, b string) int { // by names as they are encoded, then by values
		return slices.Compare(strings.SplitN(a, "=", 2), strings.SplitN(b, "=", 2))
	})
	canonical := strings.Join([]string{
		r.Method, strings.Join(elems, "/"), strings.Join(params, "&"),
		fields.String(), strings.Join(names, ";"), r.Header.Get("X-Amz-Content-Sha256"),
	}, "\n")
	scope := strings.Join([]string{at.UTC().Format("20060102"), k.Region, "s3", "aws4_request"}, "/")
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + k.SecretKey)
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+scope+"\n"+hex.EncodeToString(sum[:])) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", k.AccessKey, scope, strings.Join(names, ";"), key))
}

func strictEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

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
	key := Key{AccessKey: "key/with/slashes", SecretKey: "secret", Region: "eu-central-1"}
	for n := range 2000 {
		if key.SessionToken = ""; n%2 == 0 {
			key.SessionToken = strings.Repeat("t+/=", 1+rng.IntN(300))
		}
		c := NewChecker(key, func() time.Time { return now })
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
				r.Header.Set("X-Amz-Content-Sha256", emptyBody)
			}
			at := now.Add(time.Duration(rng.IntN(1800)-900) * time.Second) // also the next day
			sign(r, key, at)
			target, header := wire(t, r)
			if err := c.Check([]byte(r.Method), target, header); err != nil {
				t.Fatalf("%s %s: %v\n%s\n%s", r.Method, target, err, header, c.CanonicalRequest())
			}
			other := slices.Concat(target[:1], []byte("x"), target[1:])
			if err := c.Check([]byte(r.Method), other, header); !errors.Is(err, ErrSignature) {
				t.Fatalf("%s %s, signed for %s: %v", r.Method, other, target, err)
			}
		}
	}
}

// TestEncodings has two encodings of one path and query have one signature.
func TestEncodings(t *testing.T) {
	for _, same := range [][2]string{
		{"/a%2Db~%7e", "/a-b%7E~"}, {"/a+b", "/a%2bb"}, {"/%e9", "/%E9"}, {"/a%2Fb", "/a/b"}, {"/100%", "/100%25"}, {"/%zz%1", "/%25zz%251"},
		{"/?b=1&a=+x&&a", "/?a=&a=%20x&b=1"}, {"/?x=/", "/?x=%2f"}, {"/\xff", "/%FF"}, {"/%\x10\x11", "/%25%10%11"},
	} {
		var canonical [2]string
		for i, target := range same {
			c := exampleChecker()
			if err := c.Check([]byte("GET"), []byte(target), []byte(examples[0].header+authorizationLine(exampleScope, "host", "0"))); !errors.Is(err, ErrUnsigned) {
				t.Errorf("%s: %v", target, err)
			}
			canonical[i] = string(c.CanonicalRequest())
		}
		if canonical[0] != canonical[1] || canonical[0] == "" {
			t.Errorf("%s is %q, and %s is %q", same[0], canonical[0], same[1], canonical[1])
		}
	}
}

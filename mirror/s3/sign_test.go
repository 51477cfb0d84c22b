package s3

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/motefs/motefs/mirror/wire/files"
)

func newSigner(host, region string, keys Keys, at time.Time) *signer {
	return &signer{host: host, region: region, keys: func() *Keys { return &keys }, now: func() time.Time { return at }}
}

// TestSignatureOfAWS signs the examples of "Signature Calculations for the Authorization
// Header" in the Amazon S3 API Reference, as far as they are those of a GET without a body
// and without a Range: GET Bucket Lifecycle and Get Bucket (List Objects).
func TestSignatureOfAWS(t *testing.T) {
	s := newSigner("examplebucket.s3.amazonaws.com", "us-east-1",
		Keys{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
		time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC))
	for target, want := range map[string]string{
		"/?lifecycle=":          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
		"/?max-keys=2&prefix=J": "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
	} {
		fields := string(s.sign(nil, []byte(target)))
		if !strings.Contains(fields, "Signature="+want+"\r\n") || !strings.Contains(fields, "x-amz-date: 20130524T000000Z\r\n") {
			t.Errorf("%s: %q, want %s", target, fields, want)
		}
	}
}

// TestSignatureOfSDK signs what the SDK of AWS signs too.
func TestSignatureOfSDK(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for i := range 500 {
		keys := Keys{ID: "AKID", Secret: "secret/+=" + string(rune('a'+i%26))}
		if i%3 == 0 {
			keys.Token = strings.Repeat("token+/=", 1+i%5)
		}
		at := time.Unix(1_500_000_000+rnd.Int64N(1e9), 0)
		s := newSigner("bucket.example.org:8333", "eu-central-1", keys, at)
		s.payer = i%4 == 0
		key := make([]byte, 1+rnd.IntN(20))
		for j := range key {
			if key[j] = byte(rnd.Uint32()); i%2 == 0 {
				key[j] = "./a b%+ü"[rnd.IntN(8)]
			}
		}
		target := files.AppendName([]byte("/bucket/"), string(key))
		if i%5 == 0 {
			target = files.AppendQuery([]byte("/bucket?list-type=2&prefix="), string(key))
		}
		fields := string(s.sign(nil, target))

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://bucket.example.org:8333"+string(target), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("x-amz-content-sha256", emptyHash)
		if !strings.Contains(string(target), "?") {
			req.Header.Set("x-amz-checksum-mode", "ENABLED")
		} else if strings.Contains(fields, "checksum") {
			t.Errorf("%q is no get of an object: %q", target, fields)
		}
		if s.payer {
			req.Header.Set("x-amz-request-payer", "requester")
		}
		// The path as it is signed: without the dots that are encoded for the way.
		req.URL.Opaque = "//" + req.URL.Host + string(appendCanonicalPath(nil, []byte(req.URL.EscapedPath())))
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		err = signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keys.ID, SecretAccessKey: keys.Secret, SessionToken: keys.Token}, req, emptyHash, "s3", s.region, at)
		if err != nil {
			t.Fatal(err)
		}
		if want := req.Header.Get("Authorization"); !strings.Contains(fields, "Authorization: "+want+"\r\n") {
			t.Errorf("%q: %q\nwant %q", target, fields, want)
		}
		for key := range req.Header {
			if key != "Authorization" && !strings.Contains(strings.ToLower(fields), strings.ToLower(key+": "+req.Header.Get(key)+"\r\n")) {
				t.Errorf("%q has no %s %q", fields, key, req.Header.Get(key))
			}
		}
	}
}

// TestAnonymous has only gets of objects ask for sums where nothing is signed.
func TestAnonymous(t *testing.T) {
	s := &signer{host: "bucket.example.org", keys: func() *Keys { return nil }, payer: true}
	for target, want := range map[string]string{
		"/bucket/a%3Fb":         "x-amz-checksum-mode: ENABLED\r\nx-amz-request-payer: requester\r\n",
		"/bucket?list-type=2":   "x-amz-request-payer: requester\r\n",
		"/?list-type=2&prefix=": "x-amz-request-payer: requester\r\n",
	} {
		if got := string(s.sign(nil, []byte(target))); got != want {
			t.Errorf("%q: %q, want %q", target, got, want)
		}
	}
}

// TestSigningAllocatesNothing, once a second has begun.
func TestSigningAllocations(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	s := newSigner("bucket.example.org", "us-east-1", Keys{ID: "id", Secret: "secret"}, at)
	dst, target := make([]byte, 0, 4096), []byte("/bucket/dir-000123/file-000456")
	if n := testing.AllocsPerRun(1000, func() { dst = s.sign(dst[:0], target) }); n > 0.01 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSign(b *testing.B) {
	for name, keys := range map[string]Keys{"key": {ID: "AKIAIOSFODNN7EXAMPLE", Secret: "secret"}, "token": {ID: "AKIAIOSFODNN7EXAMPLE", Secret: "secret", Token: strings.Repeat("t", 1000)}} {
		b.Run(name, func(b *testing.B) {
			s := newSigner("bucket.example.org", "us-east-1", keys, time.Now())
			s.now = time.Now
			dst, target := make([]byte, 0, 4096), []byte("/bucket/dir-000123/file-000456")
			b.ReportAllocs()
			for b.Loop() {
				dst = s.sign(dst[:0], target)
			}
		})
	}
}

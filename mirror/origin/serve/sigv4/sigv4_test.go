package sigv4

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The examples of "Signature Calculations for the Authorization Header: Transferring
// Payload in a Single Chunk" in Amazon S3's API Reference.
var (
	exampleKey  = Key{AccessKey: "AKIAIOSFODNN7EXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", Region: "us-east-1"}
	exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
)

const exampleScope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

var examples = []struct{ method, target, header, signed, signature string }{
	{
		"GET", "/test.txt",
		"Host: examplebucket.s3.amazonaws.com\r\nRange: bytes=0-9\r\nx-amz-content-sha256: " + emptyBody + "\r\nx-amz-date: 20130524T000000Z\r\n",
		"host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
	},
	{
		"PUT", "/test$file.text",
		"Host: examplebucket.s3.amazonaws.com\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\nx-amz-date: 20130524T000000Z\r\n" +
			"x-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\r\n",
		"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
	},
	{
		"GET", "/?lifecycle",
		"Host: examplebucket.s3.amazonaws.com\r\nx-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: " + emptyBody + "\r\n",
		"host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
	},
	{
		"GET", "/?max-keys=2&prefix=J",
		"Host: examplebucket.s3.amazonaws.com\r\nx-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: " + emptyBody + "\r\n",
		"host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
	},
}

func authorizationLine(scope, signed, signature string) string {
	return "Authorization: AWS4-HMAC-SHA256 Credential=" + scope + ",SignedHeaders=" + signed + ",Signature=" + signature + "\r\n"
}

func exampleChecker() *Checker {
	return NewChecker(exampleKey, func() time.Time { return exampleTime })
}

func TestExamples(t *testing.T) {
	c := exampleChecker()
	for _, e := range examples {
		header := e.header + authorizationLine(exampleScope, e.signed, e.signature)
		if err := c.Check([]byte(e.method), []byte(e.target), []byte(header)); err != nil {
			t.Errorf("%s %s: %v\n%s\n%s", e.method, e.target, err, c.CanonicalRequest(), c.StringToSign())
		}
	}
}

// TestChanged has no part of a signed request be another.
func TestChanged(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	c := exampleChecker()
	for range 20_000 {
		e := examples[rng.IntN(len(examples))]
		parts := [][]byte{[]byte(e.method), []byte(e.target), []byte(e.header + authorizationLine(exampleScope, e.signed, e.signature))}
		k := rng.IntN(len(parts))
		at := rng.IntN(len(parts[k]))
		was := parts[k][at]
		parts[k][at] ^= byte(1 + rng.IntN(255))
		if err := c.Check(parts[0], parts[1], parts[2]); err == nil && !harmless(parts[k], at, was) {
			t.Fatalf("byte %d of part %d, %q, may be %q: %s %s\n%s", at, k, was, parts[k][at], parts[0], parts[1], parts[2])
		}
	}
}

// harmless reports a change that leaves the request what it is: of case or space
// in a header, or of what no request is made from.
func harmless(part []byte, at int, was byte) bool {
	now := part[at]
	line := part[bytes.LastIndexByte(part[:at], '\n')+1:]
	name, _, _ := bytes.Cut(line, []byte{':'})
	inName := at < len(part)-len(line)+len(name)
	return inName && now^was == 0x20 || was == '\r' || was == '\n' || now == '\n' || now == '\r' || was == ' ' && now == '\t'
}

func TestRefused(t *testing.T) {
	e := examples[0]
	token := Key{AccessKey: exampleKey.AccessKey, SecretKey: exampleKey.SecretKey, Region: exampleKey.Region, SessionToken: "token"}
	auth := authorizationLine(exampleScope, e.signed, e.signature)
	for name, test := range map[string]struct {
		key           Key
		now           time.Duration // from the example's time
		header        string
		want          error
		withoutOthers bool
	}{
		"not signed":          {want: ErrNone},
		"version 2":           {header: "Authorization: AWS AKIAIOSFODNN7EXAMPLE:sig\r\n", want: ErrAlgorithm},
		"no signature":        {header: "Authorization: AWS4-HMAC-SHA256 Credential=" + exampleScope + ",SignedHeaders=host\r\n", want: ErrMalformed},
		"no scope":            {header: authorizationLine("a/s3/aws4_request", "host", "0"), want: ErrMalformed},
		"another access key":  {header: strings.Replace(auth, "AKIA", "AKIB", 1), want: ErrAccessKey},
		"another secret":      {key: Key{AccessKey: exampleKey.AccessKey, SecretKey: "s", Region: "us-east-1"}, header: auth, want: ErrSignature},
		"another region":      {header: strings.Replace(auth, "us-east-1", "us-west-1", 1), want: ErrRegion},
		"another service":     {header: strings.Replace(auth, "/s3/", "/sts/", 1), want: ErrScope},
		"another day":         {header: strings.Replace(auth, "0524", "0525", 1), want: ErrScope},
		"15 minutes late":     {header: auth, now: 15 * time.Minute},
		"later":               {header: auth, now: 15*time.Minute + time.Second, want: ErrSkewed},
		"15 minutes early":    {header: auth, now: -15 * time.Minute},
		"earlier":             {header: auth, now: -15*time.Minute - time.Second, want: ErrSkewed},
		"no session token":    {key: token, header: auth, want: ErrSessionToken},
		"other session token": {key: token, header: auth + "X-Amz-Security-Token: t\r\n", want: ErrSessionToken},
		"a session token":     {header: auth + "X-Amz-Security-Token: t\r\n", want: ErrSessionToken},
		"unsigned token":      {key: token, header: auth + "X-Amz-Security-Token: token\r\n", want: ErrUnsigned},
		"unsigned payer":      {header: auth + "x-AMZ-request-payer: requester\r\n", want: ErrUnsigned},
		"unsigned host":       {header: strings.Replace(auth, "=host;", "=", 1), want: ErrUnsigned},
		"no time":             {header: auth, withoutOthers: true, want: ErrTime},
		"no body sum":         {header: auth + "Date: Fri, 24 May 2013 00:00:00 GMT\r\n", withoutOthers: true, want: ErrNoBodySum},
	} {
		key := test.key
		if key == (Key{}) {
			key = exampleKey
		}
		header := e.header + test.header
		if test.withoutOthers {
			header = test.header
		}
		c := NewChecker(key, func() time.Time { return exampleTime.Add(test.now) })
		if err := c.Check([]byte(e.method), []byte(e.target), []byte(header)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// TestDate has the Date header stand for a missing x-amz-date.
func TestDate(t *testing.T) {
	c := exampleChecker()
	header := "Host: h\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\nx-amz-content-sha256: " + unsignedBody + "\r\n" + authorizationLine(exampleScope, "date;host;x-amz-content-sha256", "0")
	if err := c.Check([]byte("GET"), []byte("/"), []byte(header)); !errors.Is(err, ErrSignature) || !strings.HasPrefix(string(c.StringToSign()), algorithm+"\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n") {
		t.Errorf("%v, %s", err, c.StringToSign())
	}
}

func TestAllocations(t *testing.T) {
	c := exampleChecker()
	for _, e := range examples {
		method, target, header := []byte(e.method), []byte(e.target), []byte(e.header+authorizationLine(exampleScope, e.signed, e.signature))
		if n := testing.AllocsPerRun(100, func() {
			if err := c.Check(method, target, header); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s %s: %v allocations", e.method, e.target, n)
		}
	}
}

// BenchmarkFloor is the sums alone, of texts as long as those of the first example.
func BenchmarkFloor(b *testing.B) {
	c := exampleChecker()
	e := examples[0]
	if err := c.Check([]byte(e.method), []byte(e.target), []byte(e.header+authorizationLine(exampleScope, e.signed, e.signature))); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		sum := sha256.Sum256(c.request)
		c.mac.Reset()
		c.mac.Write(c.text)
		c.sum = append(c.mac.Sum(c.sum[:0]), sum[0])
	}
}

func BenchmarkCheck(b *testing.B) {
	c := exampleChecker()
	for _, e := range examples {
		b.Run(strings.NewReplacer("/", "", "?", "query-").Replace(e.method+e.target), func(b *testing.B) {
			method, target, header := []byte(e.method), []byte(e.target), []byte(e.header+authorizationLine(exampleScope, e.signed, e.signature))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Check(method, target, header); err != nil {
					b.Fatal(err)
				}
			}
		})
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

package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"time"
)

// MaxSkew is how far the time of a request may be from now.
const MaxSkew = 15 * time.Minute

const (
	algorithm = "AWS4-HMAC-SHA256"
	service   = "s3"
	scopeEnd  = "aws4_request"

	unsignedBody = "UNSIGNED-PAYLOAD"
	emptyBody    = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Key is who may ask, and for which region.
type Key struct {
	AccessKey, SecretKey string
	// SessionToken, where it is set, must come in x-amz-security-token.
	SessionToken string
	Region       string
}

// Checker checks the requests of one connection, one at a time.
type Checker struct {
	key Key
	now func() time.Time

	day    []byte    // as "20130524": what mac is for
	mac    hash.Hash // with the key of the day
	header []byte    // of the request
	fields []headerField
	auth   authorization
	params []param
	values []byte // memory of params

	request  []byte // the canonical request
	text     []byte // what is signed
	sum      []byte
	expected [2 * sha256.Size]byte
}

// NewChecker returns a checker for key. now is the clock.
func NewChecker(key Key, now func() time.Time) *Checker { return &Checker{key: key, now: now} }

// Check reports why a request is refused, with one of the errors of this package, or
// nil. target is the request target as it was sent, header the header fields with
// their line ends.
func (c *Checker) Check(method, target, header []byte) error {
	c.request, c.text = c.request[:0], c.text[:0]
	c.split(header)
	if err := c.auth.parse(c.value("authorization")); err != nil {
		return err
	}
	date, err := c.checkScope()
	if err != nil {
		return err
	}
	body := c.value("x-amz-content-sha256")
	if body == nil {
		return ErrNoBodySum
	}
	if err := c.canonical(method, target, body); err != nil {
		return err
	}
	c.sign(date)
	if subtle.ConstantTimeCompare(c.expected[:], c.auth.signature) == 0 {
		return ErrSignature
	}
	return checkBody(method, body)
}

// checkBody reports a sum that no request without a body has.
func checkBody(method, body []byte) error {
	if m := string(method); m != "GET" && m != "HEAD" || string(body) == unsignedBody || string(body) == emptyBody {
		return nil
	}
	return ErrBodySum
}

// checkScope checks who asks, when and where, and returns the time as it is signed.
func (c *Checker) checkScope() (date []byte, err error) {
	a := &c.auth
	if string(a.accessKey) != c.key.AccessKey {
		return nil, ErrAccessKey
	}
	if string(c.value("x-amz-security-token")) != c.key.SessionToken {
		return nil, ErrSessionToken
	}
	if string(a.region) != c.key.Region {
		return nil, ErrRegion
	}
	if string(a.service) != service || string(a.end) != scopeEnd {
		return nil, ErrScope
	}
	date, at, ok := c.time()
	if !ok {
		return nil, ErrTime
	}
	if !bytes.Equal(a.day, date[:len("20130524")]) {
		return nil, ErrScope
	}
	if skew := c.now().Sub(at); skew > MaxSkew || skew < -MaxSkew {
		return nil, ErrSkewed
	}
	return date, nil
}

// sign makes the signature that the request should have.
func (c *Checker) sign(date []byte) {
	a := &c.auth
	if c.mac == nil || !bytes.Equal(c.day, a.day) {
		c.day = append(c.day[:0], a.day...)
		c.mac = hmac.New(sha256.New, signingKey(c.key, string(a.day)))
	}
	c.text = append(c.text, algorithm+"\n"...)
	c.text = append(c.text, date...)
	c.text = append(c.text, '\n')
	c.text = append(c.text, a.scope...)
	c.text = append(c.text, '\n')
	sum := sha256.Sum256(c.request)
	c.text = hex.AppendEncode(c.text, sum[:])
	c.mac.Reset()
	_, _ = c.mac.Write(c.text) // a hash takes everything
	c.sum = c.mac.Sum(c.sum[:0])
	hex.Encode(c.expected[:], c.sum)
}

// signingKey is the key of a day.
func signingKey(k Key, day string) []byte {
	key := []byte("AWS4" + k.SecretKey)
	for _, part := range []string{day, k.Region, service, scopeEnd} {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return key
}

// CanonicalRequest is that of the request last checked, if it came so far. It is
// valid until the next one.
func (c *Checker) CanonicalRequest() []byte { return c.request }

// StringToSign is what the signature of the request last checked is made of, if it
// came so far. It is valid until the next one.
func (c *Checker) StringToSign() []byte { return c.text }

// Now is the checker's time.
func (c *Checker) Now() time.Time { return c.now() }

package s3

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
	"sync/atomic"
	"time"
)

// emptyHash is the SHA-256 of the body that a GET has.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const amzTime = "20060102T150405Z"

// signer signs GET requests to one host by AWS's Signature Version 4 (AWS General
// Reference, "Signature Version 4 signing process"). A request costs two sums and an
// HMAC, and no allocation: what is the same for all requests of a second is made once.
type signer struct {
	host, region string
	payer        bool                         // x-amz-request-payer: requester
	keys         func() *Keys                 // that are valid now; nil signs nothing
	now          func() time.Time             // the server's, as far as is known
	current      atomic.Pointer[signedSecond] // the latest
	scratch      sync.Pool                    // *signing
}

// signedSecond is what all requests of one second have in common.
type signedSecond struct {
	unix int64
	keys *Keys
	day  *signedDay
	// toSign is the string to sign before the canonical request's hash.
	toSign       []byte
	object, list signedFields
}

// signedFields are the header fields of all requests of a kind: in the canonical
// request, behind its query, and as they are sent before and behind the signature.
type signedFields struct{ canonical, before, behind []byte }

// signedDay is the key of a day.
type signedDay struct {
	date string // YYYYMMDD
	keys *Keys
	key  []byte
}

// signing is the memory for one signature.
type signing struct {
	day *signedDay
	mac hash.Hash // with the day's key
	buf []byte
	sum [sha256.Size]byte
}

// sign appends the header fields that a request for target needs. The target's query
// is canonical: its fields are sorted, and encoded as AppendName does.
func (s *signer) sign(dst, target []byte) []byte {
	keys := s.keys()
	if keys == nil {
		return s.anonymous(dst, target)
	}
	second := s.second(keys)
	w, _ := s.scratch.Get().(*signing)
	if w == nil {
		w = &signing{}
	}
	if w.day != second.day {
		w.day, w.mac = second.day, hmac.New(sha256.New, second.day.key)
	}
	path, query, _ := bytes.Cut(target, []byte("?"))
	w.buf = append(w.buf[:0], "GET\n"...)
	w.buf = appendCanonicalPath(w.buf, path)
	w.buf = append(w.buf, '\n')
	w.buf = append(w.buf, query...)
	fields := &second.list
	if isObject(target) {
		fields = &second.object
	}
	w.buf = append(w.buf, fields.canonical...)
	w.sum = sha256.Sum256(w.buf)
	w.buf = append(w.buf[:0], second.toSign...)
	w.buf = hex.AppendEncode(w.buf, w.sum[:])
	w.mac.Reset()
	w.mac.Write(w.buf)
	dst = append(dst, fields.before...)
	dst = hex.AppendEncode(dst, w.mac.Sum(w.sum[:0]))
	dst = append(dst, fields.behind...)
	s.scratch.Put(w)
	return dst
}

// anonymous appends what a request without a signature has.
func (s *signer) anonymous(dst, target []byte) []byte {
	if isObject(target) {
		dst = append(dst, sumMode+": "+sumsWanted+"\r\n"...)
	}
	if s.payer {
		dst = append(dst, "x-amz-request-payer: requester\r\n"...)
	}
	return dst
}

// appendCanonicalPath appends a path as it is signed: dots, which are sent encoded
// where they would be resolved on the way, stand for themselves.
func appendCanonicalPath(dst, path []byte) []byte {
	for {
		before, rest, found := bytes.Cut(path, []byte("%2E"))
		dst = append(dst, before...)
		if !found {
			return dst
		}
		dst, path = append(dst, '.'), rest
	}
}

// second returns what the requests of this second have in common.
func (s *signer) second(keys *Keys) *signedSecond {
	now := s.now()
	c := s.current.Load()
	if c != nil && c.unix == now.Unix() && c.keys == keys {
		return c
	}
	now = now.UTC()
	date := now.Format(amzTime[:8])
	next := &signedSecond{unix: now.Unix(), keys: keys}
	if c != nil && c.day.date == date && c.day.keys == keys {
		next.day = c.day
	} else {
		next.day = &signedDay{date: date, keys: keys, key: s.dayKey(keys, date)}
	}
	at, scope := now.Format(amzTime), date+"/"+s.region+"/s3/aws4_request"
	next.toSign = []byte("AWS4-HMAC-SHA256\n" + at + "\n" + scope + "\n")
	next.object, next.list = s.fields(keys, at, scope, true), s.fields(keys, at, scope, false)
	s.current.Store(next)
	return next
}

// fields are those of the requests for objects, or of all others, at a time.
func (s *signer) fields(keys *Keys, at, scope string, object bool) signedFields {
	signed, canonical, behind := "host", "\nhost:"+s.host, ""
	add := func(name, value string) { // in the order of the names
		signed += ";" + name
		canonical += "\n" + name + ":" + value
		behind += "\r\n" + name + ": " + value
	}
	if object {
		add(sumMode, sumsWanted)
	}
	add("x-amz-content-sha256", emptyHash)
	add("x-amz-date", at)
	if s.payer {
		add("x-amz-request-payer", "requester")
	}
	if keys.Token != "" {
		add("x-amz-security-token", keys.Token)
	}
	return signedFields{
		canonical: []byte(canonical + "\n\n" + signed + "\n" + emptyHash),
		before:    []byte("Authorization: AWS4-HMAC-SHA256 Credential=" + keys.ID + "/" + scope + ", SignedHeaders=" + signed + ", Signature="),
		behind:    []byte(behind + "\r\n"),
	}
}

// isObject reports whether a target is that of an object, and not of a list. The key has
// no question mark that is not encoded.
func isObject(target []byte) bool { return bytes.IndexByte(target, '?') < 0 }

func (s *signer) dayKey(keys *Keys, date string) []byte {
	key := []byte("AWS4" + keys.Secret)
	for _, part := range []string{date, s.region, "s3", "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return key
}

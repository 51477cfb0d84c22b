package serve

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
)

// s3Target is what a request is about.
type s3Target struct {
	target []byte // all of it, which is signed
	bucket []byte // nil: the service
	key    []byte // still encoded
	query  []byte
	ok     bool
}

// parseTarget splits a raw request target, which names the bucket unless the host
// name does.
func (f *s3Face) parseTarget(target, host []byte) (t s3Target) {
	if len(target) > 0 && target[0] != '/' {
		target = originForm(target)
	}
	if len(target) == 0 || target[0] != '/' {
		return t
	}
	t.target, t.ok = target, true
	path, query, _ := bytes.Cut(target[1:], []byte{'?'})
	t.query = query
	switch {
	case len(host) > len(f.host) && bytes.EqualFold(host[:len(f.host)], f.host):
		t.bucket, t.key = f.host[:len(f.host)-1], path
	case len(path) > 0:
		t.bucket, t.key, _ = bytes.Cut(path, []byte{'/'})
	}
	return t
}

// s3Query is the query of a request. Its memory is used again.
type s3Query struct {
	location bool

	v2, url, delimited           bool // of a listing
	maxKeys                      int
	prefix, delimiter            []byte
	startAfter, token            []byte // as given; startAfter is the marker of version 1
	hasStartAfter, hasToken, bad bool

	// The listing goes on after this key or, with afterAll, after all keys that
	// begin with it.
	after    []byte
	afterAll bool
}

// subresources are parameters that ask for something else than an object or a
// listing.
var subresources = strings.Fields(`accelerate acl analytics attributes cors encryption intelligent-tiering inventory legal-hold
	lifecycle logging metrics notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock
	replication requestPayment response-cache-control response-content-disposition response-content-encoding
	response-content-language response-content-type response-expires restore retention select session tagging torrent
	uploadId uploads versionId versioning versions website`)

// parse reads a query. Parameters that S3 does not know are left aside, as there.
func (q *s3Query) parse(query []byte) *S3Error {
	*q = s3Query{maxKeys: maxKeys, prefix: q.prefix[:0], delimiter: q.delimiter[:0], startAfter: q.startAfter[:0], token: q.token[:0], after: q.after[:0]}
	for len(query) > 0 {
		var param []byte
		param, query, _ = bytes.Cut(query, []byte{'&'})
		key, value, _ := bytes.Cut(param, []byte{'='})
		if err := q.set(key, value); err != nil {
			return err
		}
	}
	if q.bad {
		return s3InvalidURI
	}
	return q.setAfter()
}

// set reads one parameter.
func (q *s3Query) set(key, value []byte) *S3Error {
	switch string(key) {
	case "location":
		q.location = true
	case "list-type":
		if q.v2 = string(value) == "2"; !q.v2 {
			return s3BadListType
		}
	case "prefix":
		q.prefix = q.decode(q.prefix, value)
	case "delimiter":
		q.delimiter = q.decode(q.delimiter, value)
		q.delimited = len(q.delimiter) > 0
	case "start-after", "marker":
		q.startAfter = q.decode(q.startAfter, value)
		q.hasStartAfter = true
	case "continuation-token":
		q.token = q.decode(q.token, value)
		q.hasToken = true
	case "max-keys":
		n, ok := parseDigits(value)
		if !ok {
			return s3BadMaxKeys
		}
		q.maxKeys = int(min(n, maxKeys))
	case "encoding-type":
		if q.url = string(value) == "url"; !q.url {
			return s3BadEncoding
		}
	default:
		if _, ok := slices.BinarySearchFunc(subresources, key, func(a string, b []byte) int { return strings.Compare(a, string(b)) }); ok {
			return s3NotImplemented
		}
	}
	return nil
}

// decode replaces dst by a parameter's value, in which a plus is a space.
func (q *s3Query) decode(dst, value []byte) []byte {
	start := len(dst)
	for i, part := range bytes.Split(value, []byte{'+'}) {
		if i > 0 {
			dst = append(dst, ' ')
		}
		var ok bool
		if dst, ok = appendDecoded(dst, part); !ok {
			q.bad = true
		}
	}
	return dst[start:]
}

// A token is the key, or the common prefix, after which the listing goes on. Both
// marks look like "+/+": a client that does not encode a token in a query has it
// refused.
const (
	tokenAfterKey    = "\xfb\xff\xbf"
	tokenAfterPrefix = "\xfb\xff\xbe"
)

// setAfter finds where the listing goes on.
func (q *s3Query) setAfter() *S3Error {
	switch {
	case q.hasToken:
		raw, err := base64.StdEncoding.DecodeString(string(q.token))
		if err != nil || len(raw) < len(tokenAfterKey) {
			return s3BadToken
		}
		mark := string(raw[:len(tokenAfterKey)])
		if mark != tokenAfterKey && mark != tokenAfterPrefix {
			return s3BadToken
		}
		q.afterAll = mark == tokenAfterPrefix
		q.after = append(q.after, raw[len(mark):]...)
	case q.hasStartAfter:
		q.after = append(q.after, q.startAfter...)
		// A common prefix that is not greater is left out, with all that it stands for.
		if common := q.common(q.after); common != nil {
			q.after, q.afterAll = common, true
		}
	}
	return nil
}

// appendToken appends the token of a listing that goes on after key.
func appendToken(dst, key []byte, all bool) []byte {
	mark := tokenAfterKey
	if all {
		mark = tokenAfterPrefix
	}
	return base64.StdEncoding.AppendEncode(dst, append([]byte(mark), key...))
}

// from is the first key that the listing may have, and whether there can be one.
func (q *s3Query) from(dst []byte) ([]byte, bool) {
	ok := true
	switch {
	case q.afterAll:
		dst, ok = appendSuccessor(dst, q.after)
	case len(q.after) > 0:
		dst = append(append(dst, q.after...), 0)
	}
	if bytes.Compare(dst, q.prefix) < 0 {
		dst = append(dst[:0], q.prefix...)
	}
	return dst, ok
}

// common is the part of a key that stands for all that begin with it, up to the
// first delimiter behind the prefix; nil if there is none.
func (q *s3Query) common(key []byte) []byte {
	if !q.delimited || !bytes.HasPrefix(key, q.prefix) {
		return nil
	}
	i := bytes.Index(key[len(q.prefix):], q.delimiter)
	if i < 0 {
		return nil
	}
	return key[:len(q.prefix)+i+len(q.delimiter)]
}

// appendSuccessor appends the first name behind all that begin with prefix, and
// reports whether there is one.
func appendSuccessor(dst, prefix []byte) ([]byte, bool) {
	for len(prefix) > 0 && prefix[len(prefix)-1] == 0xff {
		prefix = prefix[:len(prefix)-1]
	}
	if len(prefix) == 0 {
		return dst, false
	}
	dst = append(dst, prefix...)
	dst[len(dst)-1]++
	return dst, true
}

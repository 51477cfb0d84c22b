package s3

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// What is here is for who asks S3 by package net/http: to write, that is.

// RefusalOf reads why a request was refused. Response's body is the caller's to close.
func RefusalOf(response *http.Response) *Refusal {
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if err != nil {
		raw = nil // the status says enough
	}
	r := refusalOf(raw, &mirror.StatusError{Code: response.StatusCode})
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 && seconds < maxRetryAfter {
		r.status.RetryAfter = time.Duration(seconds) * time.Second
	}
	r.status = r.statusOf()
	if region := response.Header.Get("X-Amz-Bucket-Region"); region != "" {
		r.Region = region
	}
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		r.date = at
	}
	return r
}

// maxRetryAfter is above what a Retry-After may say, in seconds.
const maxRetryAfter = 24 * 60 * 60

// Status is that of HTTP.
func (r *Refusal) Status() int { return r.status.Code }

// Date is the server's time, zero where it does not say.
func (r *Refusal) Date() time.Time { return r.date }

// ValidRegion reports whether a region may be signed for.
func ValidRegion(name string) bool { return name != "" && validRegion(name) }

// Page is one of a listing.
type Page struct {
	Objects []mirror.Listed // by their keys without the prefix; no directory markers
	Token   string          // of the page that follows, empty where none does
	Sorted  bool            // the keys ascend
}

// ParsePage decodes an answer to ListObjectsV2. The errors are mirror.ErrListing, or a Refusal
// that came with status 200.
func ParsePage(raw []byte, prefix string) (Page, error) {
	p, err := decodePage(raw, prefix, nil)
	if err != nil {
		return Page{}, err
	}
	return Page{p.objects, p.token, p.sorted}, nil
}

// SumOf is the sum that the fields of a response have of its whole body, and its algorithm; nil
// where they have none that can be checked.
func SumOf(fields http.Header) ([]byte, *wire.Algorithm) {
	if strings.EqualFold(fields.Get(sumType), string(composite)) {
		return nil, nil
	}
	for k := range checksums {
		c := &checksums[k]
		sum, err := base64.StdEncoding.DecodeString(fields.Get(c.field))
		if err == nil && len(sum) == c.size {
			return sum, &c.Algorithm
		}
	}
	return nil, nil
}

// Element returns the text of the first element of that name in a document. A document that is
// an error's is a Refusal.
func Element(raw []byte, name string) (string, error) {
	s := scanner{raw}
	_, root, err := s.next()
	if err != nil || root.end {
		return "", errXML
	}
	if string(root.name) == "Error" {
		r := refusalOf(s.rest, &mirror.StatusError{Code: http.StatusOK})
		r.status = r.statusOf()
		return "", r
	}
	for {
		_, t, err := s.next()
		if err != nil {
			return "", err
		}
		if t.end || !bytes.Equal(t.name, []byte(name)) {
			continue
		}
		text, err := s.element(t)
		if err != nil {
			return "", err
		}
		text, err = appendText(nil, text)
		return string(text), err
	}
}

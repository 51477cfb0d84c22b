package objectstest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

// S3 serves the objects of a Memory as those of the one bucket Bucket, below Prefix, to who
// signs with Key. A fault of the Memory is one of the connection: what is away, cut or lost ends it.
// It knows no uploads in parts.
type S3 struct {
	*Memory
	Bucket, Prefix string
	Key            sigv4.Key
	// PageSize is how many keys a page has. Default: 1000.
	PageSize int
	// Before, where it is not nil, answers a request in the place of this, and says so.
	Before func(w http.ResponseWriter, r *http.Request) bool
}

// s3Error is what S3 answers.
type s3Error struct {
	XMLName       xml.Name `xml:"Error"`
	Code, Message string
}

// Refuse answers as S3 does.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(s3Error{Code: code, Message: "refused by the test"})
}

// ServeHTTP implements http.Handler.
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Before != nil && s.Before(w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if code := s.check(r, body); code != "" {
		Refuse(w, http.StatusForbidden, code)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != s.Bucket {
		Refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	name := strings.TrimPrefix(key, s.Prefix)
	switch {
	case key == "" && r.Method == http.MethodGet:
		err = s.list(w, r)
	case !strings.HasPrefix(key, s.Prefix):
		err = objects.ErrNotFound
	case r.Method == http.MethodGet:
		err = s.get(w, r, name)
	case r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*":
		err = s.Create(r.Context(), name, objects.BytesBody(body))
	case r.Method == http.MethodPut:
		err = s.Put(r.Context(), name, objects.BytesBody(body))
	case r.Method == http.MethodDelete:
		if err = s.Delete(r.Context(), name); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		Refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
	s.fail(w, err)
}

// fail answers with an error.
func (s *S3) fail(w http.ResponseWriter, err error) {
	status, ok := errors.AsType[*mirror.StatusError](err)
	switch {
	case err == nil:
	case errors.Is(err, objects.ErrExists):
		Refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case errors.Is(err, objects.ErrNotFound):
		Refuse(w, http.StatusNotFound, "NoSuchKey")
	case errors.Is(err, objects.ErrRange):
		Refuse(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
	case ok && status.Code == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(int(status.RetryAfter/time.Second)))
		Refuse(w, status.Code, "SlowDown")
	case ok && status.Code == http.StatusForbidden:
		Refuse(w, status.Code, "AccessDenied")
	case ok:
		Refuse(w, status.Code, "InternalError")
	default:
		panic(http.ErrAbortHandler)
	}
}

// check returns why a request is refused, by code that signs none.
func (s *S3) check(r *http.Request, body []byte) string {
	sum := sha256.Sum256(body)
	if said := r.Header.Get("X-Amz-Content-Sha256"); said != hex.EncodeToString(sum[:]) {
		return "XAmzContentSHA256Mismatch"
	}
	if said := r.Header.Get("X-Amz-Checksum-Crc32c"); said != "" && said != crcOf(body) {
		return "BadDigest"
	}
	header := fmt.Appendf(nil, "Host: %s\r\n", r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			header = fmt.Appendf(header, "%s: %s\r\n", name, value)
		}
	}
	if err := sigv4.NewChecker(s.Key, time.Now).Check([]byte(r.Method), []byte(r.RequestURI), header); err != nil {
		return "SignatureDoesNotMatch"
	}
	return ""
}

func crcOf(text []byte) string {
	sum := crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

func (s *S3) get(w http.ResponseWriter, r *http.Request, name string) error {
	off, last := int64(0), int64(-1)
	ranged := r.Header.Get("Range") != ""
	if ranged {
		from, to, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
		off, _ = strconv.ParseInt(from, 10, 64)
		if last = -1; to != "" {
			last, _ = strconv.ParseInt(to, 10, 64)
		}
	}
	body, size, err := s.Get(r.Context(), name, off, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	if ranged && off == size {
		return objects.ErrRange
	}
	n := size - off
	if last >= 0 {
		n = min(n, last+1-off)
	}
	status := http.StatusOK
	if ranged {
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, size))
	} else if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		w.Header().Set("X-Amz-Checksum-Crc32c", crcOf(s.Objects()[name]))
	}
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(status)
	_, err = io.CopyN(w, body, n)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// s3Page is a page of a listing.
type s3Page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	EncodingType          string
	IsTruncated           bool
	NextContinuationToken string   `xml:",omitempty"`
	Contents              []s3Item `xml:"Contents"`
}

type s3Item struct {
	Key, LastModified, ETag string
	Size                    int64
}

func (s *S3) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	prefix, ok := strings.CutPrefix(q.Get("prefix"), s.Prefix)
	after := strings.TrimPrefix(q.Get("start-after"), s.Prefix)
	if token := q.Get("continuation-token"); token != "" {
		after = strings.TrimPrefix(token, "behind ")
	}
	if !ok || q.Get("list-type") != "2" {
		Refuse(w, http.StatusBadRequest, "InvalidArgument")
		return nil
	}
	most := s.PageSize
	if most == 0 {
		most = 1000
	}
	page := s3Page{EncodingType: "url"}
	err := s.List(r.Context(), "", after, func(i objects.Info) bool {
		if !strings.HasPrefix(i.Name, prefix) {
			return true
		}
		if page.IsTruncated = len(page.Contents) == most; page.IsTruncated {
			page.NextContinuationToken = "behind " + after
			return false
		}
		after = i.Name
		page.Contents = append(page.Contents, s3Item{url.QueryEscape(s.Prefix + i.Name), i.ModTime.UTC().Format(time.RFC3339Nano), `"e"`, i.Size})
		return true
	})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	if err := xml.NewEncoder(&out).Encode(page); err != nil {
		return err
	}
	_, _ = w.Write(out.Bytes())
	return nil
}

package serve

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
	"github.com/valyala/fasthttp"
)

const (
	// DefaultBucket is the name of the bucket.
	DefaultBucket = "motefs"
	// DefaultRegion is where the bucket is said to be.
	DefaultRegion = "us-east-1"
	// maxKeys is the most keys on one page of a listing, as S3 has it.
	maxKeys = 1000
)

// S3Options has a server speak S3 instead of its own protocol.
type S3Options struct {
	// Bucket is the name of the one bucket. Default DefaultBucket.
	Bucket string
	// Region is where the bucket is said to be. Default DefaultRegion.
	Region string
	// AccessKey and SecretKey, where they are set, must have signed each request:
	// AWS Signature Version 4 in an Authorization header. Default anyone may ask.
	AccessKey, SecretKey string
	// SessionToken, where it is set, must come with each request. Default none may.
	SessionToken string
	// RequesterPays refuses each request that does not say
	// "x-amz-request-payer: requester". Default it need not be said.
	RequesterPays bool
	// NoSums has no request be told the sum of an object, as servers did before S3 had
	// any. Default each that asks is told, which costs over a tenth of a short get.
	NoSums bool
}

func (o S3Options) ensureDefaults() S3Options {
	if o.Bucket == "" {
		o.Bucket = DefaultBucket
	}
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	return o
}

// validate reports everything that is wrong with o. A bucket has a letter, so that
// no address can be taken for a host name that begins with it.
func (o S3Options) validate() (errs []error) {
	const letters, others = "abcdefghijklmnopqrstuvwxyz", "0123456789.-"
	if len(o.Bucket) < 3 || len(o.Bucket) > 63 || strings.Trim(o.Bucket, letters+others) != "" || !strings.ContainsAny(o.Bucket, letters) {
		errs = append(errs, fmt.Errorf("bucket %q is not 3 to 63 of a-z, 0-9, '.' and '-', with a letter", o.Bucket))
	}
	if strings.ContainsFunc(o.Region, func(r rune) bool { return notInPath(r) || strings.ContainsRune(`/,<>&"`, r) }) {
		errs = append(errs, fmt.Errorf("region %q has bytes that cannot stand in a signature", o.Region))
	}
	if (o.AccessKey == "") != (o.SecretKey == "") || o.SessionToken != "" && o.AccessKey == "" {
		errs = append(errs, errors.New("an access key, a secret key and a session token go together"))
	}
	return errs
}

// s3Face answers requests as S3 does.
type s3Face struct {
	s    *Server
	o    S3Options
	keys KeyLister
	host []byte // what the host name of virtual-hosted requests begins with
	born time.Time
}

// newS3Face returns an error where src cannot be listed as S3 lists.
func newS3Face(s *Server, o S3Options, src Source) (*s3Face, error) {
	keys, ok := src.(KeyLister)
	if !ok {
		return nil, ErrUnordered
	}
	// Asked for the end, which costs least: the first files may all be removed.
	if err := keys.Keys([]byte{0xff}, func(*Key) bool { return false }); err != nil {
		return nil, err
	}
	return &s3Face{s: s, o: o, keys: keys, host: []byte(o.Bucket + "."), born: time.Now()}, nil
}

// s3Conn is what a connection needs to speak S3.
type s3Conn struct {
	id    uint64         // of the latest request
	check *sigv4.Checker // nil: anyone may ask
	query s3Query
	page  s3Page
}

// newConn returns the state of the n-th connection.
func (f *s3Face) newConn(n int64) *s3Conn {
	c := &s3Conn{id: mix(uint64(f.born.UnixNano()) + uint64(n)*golden)}
	if f.o.AccessKey != "" {
		c.check = sigv4.NewChecker(sigv4.Key{
			AccessKey: f.o.AccessKey, SecretKey: f.o.SecretKey, SessionToken: f.o.SessionToken, Region: f.o.Region,
		}, time.Now)
	}
	return c
}

// begin gives the request a number.
func (f *s3Face) begin(c *conn) {
	c.s3.id += golden
	c.response.setID(mix(c.s3.id))
}

// route fills in the connection's response, and returns the Writer that is to write
// it, if it is not the server itself.
func (f *s3Face) route(ctx *fasthttp.RequestCtx, c *conn) Writer {
	r := &c.response
	f.begin(c)
	t := f.parseTarget(ctx.Request.Header.RequestURI(), ctx.Request.Header.Host())
	if !t.ok {
		return f.refuse(c, s3InvalidURI)
	}
	if !f.signed(ctx, c, t.target) {
		return nil
	}
	if f.o.RequesterPays && string(ctx.Request.Header.Peek("X-Amz-Request-Payer")) != "requester" {
		return f.refuse(c, s3AccessDenied)
	}
	if t.bucket != nil && string(t.bucket) != f.o.Bucket {
		return f.refuse(c, s3NoSuchBucket, "BucketName", string(t.bucket))
	}
	if !ctx.IsGet() && !r.Head {
		r.Set("Allow", "GET, HEAD")
		return f.refuse(c, s3MethodNotAllowed, "Method", string(ctx.Method()))
	}
	if err := c.s3.query.parse(t.query); err != nil {
		return f.refuse(c, err)
	}
	switch {
	case t.bucket == nil:
		return f.listBuckets(c)
	case len(t.key) == 0:
		r.Set("X-Amz-Bucket-Region", f.o.Region)
		return f.bucket(ctx, c)
	}
	var ok bool
	if c.name, ok = appendDecoded(c.name[:0], t.key); !ok {
		return f.refuse(c, s3InvalidURI)
	}
	return f.get(ctx, c)
}

// bucket answers a request for the bucket itself.
func (f *s3Face) bucket(ctx *fasthttp.RequestCtx, c *conn) Writer {
	switch q := &c.s3.query; {
	case q.location:
		return f.location(c)
	case c.response.Head:
		return nil
	default:
		return f.list(ctx, c)
	}
}

// listBuckets answers with the one bucket.
func (f *s3Face) listBuckets(c *conn) Writer {
	const owner = "<Owner><ID>motefs</ID><DisplayName>motefs</DisplayName></Owner>"
	body := append([]byte(xmlHead), `<ListAllMyBucketsResult xmlns="`+s3Namespace+`">`+owner+"<Buckets><Bucket><Name>"...)
	body = append(body, f.o.Bucket...)
	body = append(body, "</Name><CreationDate>"...)
	body = appendISOTime(body, f.born)
	body = append(body, "</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>"...)
	return f.respondXML(c, body)
}

// location answers with the region, of which the default one has no name here.
func (f *s3Face) location(c *conn) Writer {
	body := append([]byte(xmlHead), `<LocationConstraint xmlns="`+s3Namespace+`">`...)
	if f.o.Region != DefaultRegion {
		body = appendXML(body, f.o.Region)
	}
	return f.respondXML(c, append(body, "</LocationConstraint>"...))
}

var xmlType = []byte("application/xml")

// respondXML makes the response a 200 with that body.
func (f *s3Face) respondXML(c *conn, body []byte) Writer {
	r := &c.response
	r.obj.Body = body
	r.header = append(r.header, field{fasthttp.HeaderContentType, xmlType})
	return nil
}

package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror/wire"
	"github.com/rs/zerolog"
)

const (
	// DefaultRegion is the region where none is said.
	DefaultRegion = "us-east-1"
	// DefaultListers is how many ranges are listed at the same time.
	DefaultListers = 8
	// MaxListers bounds Options.Listers.
	MaxListers = 256
)

// PathStyle says where a request has the bucket's name.
type PathStyle int

// The bucket's name is part of the host's for AWS, if it can be, and of the path
// elsewhere; or it is always the one or the other.
const (
	PathAuto PathStyle = iota
	PathOn
	PathOff
)

// Keys are credentials.
type Keys struct {
	// ID is the access key, Secret what goes with it, Token that of a session, or
	// empty.
	ID, Secret, Token string
	// Expires is when they are of no use any more; zero: never.
	Expires time.Time
}

// Options say which objects are mirrored. Bucket must be set; the zero value of every other field works.
type Options struct {
	Bucket string
	// Prefix is what the keys begin with. It is no part of the names.
	Prefix string
	// Endpoint is the server, http or https, with a path where it stands below one.
	// Default: AWS, in the Region.
	Endpoint string
	// Region is what requests are signed for, until the server says that the bucket is
	// in another. Default: DefaultRegion.
	Region string
	// PathStyle is where the bucket's name goes. Default: PathAuto.
	PathStyle PathStyle
	// Keys returns the credentials. It is called where there are none yet, and
	// where those that there are expire. nil: requests are not signed.
	Keys func(ctx context.Context) (Keys, error)
	// RequestPayer says that the requester pays.
	RequestPayer bool
	// Listers is how many ranges are listed at the same time. Default:
	// DefaultListers.
	Listers int
	// Log takes what goes wrong. The zero value is silent.
	Log zerolog.Logger
	// Options are those of the connections. URL, Sign and Sum are set by New, and Absent to an
	// object that no bucket is likely to have.
	wire.Options
}

// EnsureDefaults fills every unset field with its default.
func (o *Options) EnsureDefaults() {
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	if o.Listers == 0 {
		o.Listers = DefaultListers
	}
	o.Options.EnsureDefaults()
}

// Validate reports every problem of options that have their defaults, but for those
// of the connections.
func (o *Options) Validate() error {
	var problems []error
	if !validBucket(o.Bucket) {
		problems = append(problems, fmt.Errorf("bucket %q: 3 to 255 letters, digits, dots, hyphens and underscores", o.Bucket))
	}
	if len(o.Prefix) > maxKey {
		problems = append(problems, fmt.Errorf("prefix of %d bytes: keys have at most %d", len(o.Prefix), maxKey))
	}
	if !validRegion(o.Region) {
		problems = append(problems, fmt.Errorf("region %q: letters, digits and hyphens", o.Region))
	}
	if o.Listers < 0 || o.Listers > MaxListers {
		problems = append(problems, fmt.Errorf("listers %d: not 1 to %d", o.Listers, MaxListers))
	}
	if _, err := o.host(o.Region); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// maxKey is the longest key that S3 has, in bytes.
const maxKey = 1024

func validBucket(name string) bool {
	return len(name) >= 3 && len(name) <= 255 && onlyAlnum(name, ".-_")
}

func validRegion(name string) bool { return onlyAlnum(name, "-_") }

// onlyAlnum reports whether there are only letters, digits and those others.
func onlyAlnum(text, others string) bool {
	for _, c := range text {
		if alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'; !alnum && !strings.ContainsRune(others, c) {
			return false
		}
	}
	return true
}

// host is the server for a region, with the path below which its buckets are.
func (o *Options) host(region string) (*url.URL, error) {
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			return nil, errors.New("endpoint: give a URL such as https://s3.example.org")
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			return nil, errors.New("endpoint: a URL without user-info, query and fragment")
		}
		return u, nil
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	return &url.URL{Scheme: "https", Host: "s3." + region + "." + suffix}, nil
}

// OnAWS reports whether the server is Amazon's.
func (o *Options) OnAWS() bool {
	u, err := o.host(o.Region)
	return err == nil && (strings.HasSuffix(u.Hostname(), ".amazonaws.com") || strings.HasSuffix(u.Hostname(), ".amazonaws.com.cn"))
}

// inPath reports whether the bucket's name goes into the path: where the certificate of the
// server would not be good for a name with dots in it, and where names cannot be made.
func (o *Options) inPath(u *url.URL) bool {
	switch o.PathStyle {
	case PathOn:
		return true
	case PathOff:
		return false
	}
	asName := !strings.ContainsAny(o.Bucket, "._") && strings.ToLower(o.Bucket) == o.Bucket && len(o.Bucket) <= 63 && net.ParseIP(u.Hostname()) == nil
	return !asName || !o.OnAWS()
}

// BucketURL is the URL of the bucket for a region, without a slash at its end.
func (o *Options) BucketURL(region string) (*url.URL, error) {
	u, err := o.host(region)
	if err != nil {
		return nil, err
	}
	bucket := &url.URL{Scheme: u.Scheme, Host: u.Host}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if o.inPath(u) {
		path += "/" + o.Bucket
	} else {
		bucket.Host = o.Bucket + "." + bucket.Host
	}
	bucket.Path, err = url.PathUnescape(path)
	bucket.RawPath = path
	return bucket, err
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/store"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// segmentsFlags say where a mirror in segments is: a mirror in an object store, which many
// machines make and mount.
type segmentsFlags struct {
	url       string
	endpoint  string
	region    string
	profile   string
	pathStyle string
}

const groupSegments = "Mirrors in an object store, of many machines (see many-machines.md)"

func (f *segmentsFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "segments", "", "`URL` of a mirror in segments: s3://BUCKET/PREFIX, or file:///DIR on a filesystem that all machines share")
	flags.StringVar(&f.endpoint, "segments-endpoint-url", "", "`URL` of its server, other than Amazon's (default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile's)")
	flags.StringVar(&f.region, "segments-region", "", "its `region` (default AWS_REGION, the profile's, or us-east-1)")
	flags.StringVar(&f.profile, "segments-profile", "", "`profile` of AWS's configuration files for it (default AWS_PROFILE, or default)")
	flags.StringVar(&f.pathStyle, "segments-path-style", "auto", "its bucket is part of the path, and not of the host: `auto|on|off`")
	inGroup(flags, groupSegments, append([]string{"segments"}, segmentsNames...)...)
}

// segmentsNames are the flags that go with --segments s3://….
var segmentsNames = []string{"segments-endpoint-url", "segments-region", "segments-profile", "segments-path-style"}

func (f *segmentsFlags) validate() error {
	if f.url == "" {
		if f.endpoint != "" || f.region != "" || f.profile != "" || f.pathStyle != "auto" {
			return usagef("--segments-endpoint-url, --segments-region, --segments-profile and --segments-path-style go with --segments")
		}
		return nil
	}
	if _, ok := pathStyles[f.pathStyle]; !ok {
		return usagef("--segments-path-style %q: give auto, on or off", f.pathStyle)
	}
	if !onS3(f.url) && (f.endpoint != "" || f.region != "" || f.profile != "" || f.pathStyle != "auto") {
		return usagef("--segments-endpoint-url, --segments-region, --segments-profile and --segments-path-style go with --segments s3://BUCKET")
	}
	return nil
}

// identity is what a local store remembers of a mirror: its URL and, where it is not Amazon's, the
// server.
func (f *segmentsFlags) identity() (string, error) {
	if onS3(f.url) {
		return f.s3().identity(f.url)
	}
	return strings.TrimRight(f.url, "/"), nil
}

// s3 are the flags of an origin that would be there.
func (f *segmentsFlags) s3() *s3Flags {
	return &s3Flags{endpoint: f.endpoint, region: f.region, profile: f.profile, pathStyle: f.pathStyle, listers: 1}
}

// open opens the object store, to be read, or to be written too.
func (f *segmentsFlags) open(ctx context.Context, trust *tls.Config, write bool, log zerolog.Logger) (objects.Store, error) {
	return f.openAs(ctx, trust, store.Options{Make: write, Log: log})
}

// openAs opens it with what else o says.
func (f *segmentsFlags) openAs(ctx context.Context, trust *tls.Config, o store.Options) (objects.Store, error) {
	if onS3(f.url) {
		s := f.s3()
		if _, err := s.identity(f.url); err != nil {
			return nil, err
		}
		o.S3 = s3.Options{Endpoint: s.endpoint, Region: s.region, PathStyle: pathStyles[s.pathStyle], Keys: s.keys, Options: wire.Options{UserAgent: userAgent(), TLS: trust}}
	}
	opened, err := store.Open(ctx, f.url, o)
	if errors.Is(err, store.ErrURL) {
		return nil, usagef("--segments: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("--segments: %w", err)
	}
	return opened, nil
}

// shown is the URL for people.
func (f *segmentsFlags) shown() string { return strings.TrimRight(f.url, "/") }

// joinClose is err, with that of closing an object store.
func joinClose(err error, store objects.Store) error { return errors.Join(err, store.Close()) }

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// s3Flags are those for origins on S3, in the words of the AWS CLI.
type s3Flags struct {
	endpoint, region, profile string
	noSign, payer             bool
	pathStyle                 string
	listers                   int
	// of is what the names of the flags begin with: none, or "segments-".
	of string

	config aws.Config // see load
}

// s3Names are the names of these flags.
var s3Names = []string{"endpoint-url", "region", "profile", "no-sign-request", "request-payer", "path-style", "listers"}

// groupS3 is the heading of these flags in the help.
const groupS3 = "Origins on S3: s3://BUCKET[/PREFIX] (see ORIGINS.md)"

func (f *s3Flags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.endpoint, "endpoint-url", "", "`URL` of a server other than Amazon's (default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile's)")
	flags.StringVar(&f.region, "region", "", "`region` to sign for and ask first (default AWS_REGION, the profile's, or us-east-1)")
	flags.StringVar(&f.profile, "profile", "", "`profile` of AWS's configuration files (default AWS_PROFILE, or default)")
	flags.BoolVar(&f.noSign, "no-sign-request", false, "ask without credentials, as a public bucket allows")
	flags.BoolVar(&f.payer, "request-payer", false, "pay for the requests, of a bucket that wants that")
	flags.StringVar(&f.pathStyle, "path-style", "auto", "the bucket is part of the path, and not of the host: `auto|on|off`; auto is off for Amazon alone")
	flags.IntVar(&f.listers, "listers", s3.DefaultListers, "`number` of ranges that are listed at the same time")
	inGroup(flags, groupS3, s3Names...)
}

var pathStyles = map[string]s3.PathStyle{"auto": s3.PathAuto, "on": s3.PathOn, "off": s3.PathOff}

// flag is a flag by its name.
func (f *s3Flags) flag(name string) string { return "--" + f.of + name }

func (f *s3Flags) validate() error {
	if _, ok := pathStyles[f.pathStyle]; !ok {
		return usagef("--path-style %q: give auto, on or off", f.pathStyle)
	}
	if f.listers < 1 || f.listers > s3.MaxListers {
		return usagef("--listers %d: give 1 to %d", f.listers, s3.MaxListers)
	}
	if f.noSign && f.profile != "" {
		return usagef("--no-sign-request and --profile do not go together: give one of them")
	}
	return nil
}

// given reports whether there is a flag that other origins have no use for.
func (f *s3Flags) given() bool {
	return f.endpoint != "" || f.region != "" || f.profile != "" || f.noSign || f.payer || f.pathStyle != "auto" || f.listers != s3.DefaultListers
}

// s3Scheme begins the URL of a bucket.
const s3Scheme = "s3://"

func onS3(raw string) bool {
	return len(raw) >= len(s3Scheme) && strings.EqualFold(raw[:len(s3Scheme)], s3Scheme)
}

// identity is what a store remembers of a bucket: its URL and, where it is not Amazon's, the
// server. A prefix is a folder: s3://bucket/a is what is below a/.
func (f *s3Flags) identity(raw string) (id string, err error) {
	bucket, prefix, _ := strings.Cut(raw[len(s3Scheme):], "/")
	if bucket == "" || strings.ContainsAny(bucket, "@:?#") {
		return "", usagef("give a bucket as s3://BUCKET or s3://BUCKET/PREFIX, and its server, if that is not Amazon, with %s", f.flag("endpoint-url"))
	}
	if err := f.load(); err != nil {
		return "", err
	}
	id = s3Scheme + bucket
	if prefix = strings.TrimRight(prefix, "/"); prefix != "" {
		id += "/" + prefix
	}
	if f.endpoint == "" {
		return id, nil
	}
	server, err := originID(f.endpoint)
	if err != nil {
		return "", usagef("%s: give a URL such as https://s3.example.org, without user-info, query and fragment", f.flag("endpoint-url"))
	}
	f.endpoint = server
	return id + atServer + server, nil
}

// atServer is between a bucket and its server.
const atServer = " at "

// load reads what AWS's configuration says where the flags say nothing. It asks nobody
// for credentials yet.
func (f *s3Flags) load() error {
	// Its own lines would stand among ours; what they tell of is in its errors.
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if f.profile != "" {
		options = append(options, config.WithSharedConfigProfile(f.profile))
	}
	c, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
			return usagef("%s %s: AWS's configuration files have no such profile", f.flag("profile"), missing.Profile)
		}
		return usagef("AWS's configuration: %w", err)
	}
	f.config = c
	f.region = cmp.Or(f.region, c.Region, s3.DefaultRegion)
	if f.endpoint == "" {
		f.endpoint, err = configuredEndpoint(&c)
	}
	return err
}

// configuredEndpoint is the server that AWS's configuration names: that of S3 before that of all
// services, and the environment's before the profile's.
func configuredEndpoint(c *aws.Config) (string, error) {
	ctx := context.Background()
	for _, source := range c.ConfigSources {
		if s, ok := source.(interface {
			GetIgnoreConfiguredEndpoints(ctx context.Context) (bool, bool, error)
		}); ok {
			if ignore, said, err := s.GetIgnoreConfiguredEndpoints(ctx); err != nil || said && ignore {
				return "", err
			}
		}
	}
	for _, source := range c.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(ctx context.Context, service string) (string, bool, error)
		}); ok {
			if url, said, err := s.GetServiceBaseEndpoint(ctx, "S3"); err != nil || said {
				return url, err
			}
		}
	}
	return aws.ToString(c.BaseEndpoint), nil
}

// errNoKeys says that no credentials are found.
var errNoKeys = errors.New("none were found")

// howKeys tells what to do then.
func (f *s3Flags) howKeys() string {
	how := "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give " + f.flag("profile")
	if f.of == "" { // an object store has no public buckets
		how += ", or --no-sign-request for a public bucket"
	}
	return how
}

// noRole is how the last in the chain says that there was nothing to find.
const noRole = "no EC2 IMDS role found"

// keys asks AWS's standard chain for credentials: environment, configuration files, single sign-on,
// the container's or the machine's role.
func (f *s3Flags) keys(ctx context.Context) (s3.Keys, error) {
	none := fmt.Errorf("%w: %s", errNoKeys, f.howKeys())
	provider := f.config.Credentials
	if provider == nil {
		return s3.Keys{}, none
	}
	if c, ok := provider.(*aws.CredentialsCache); ok {
		c.Invalidate() // those that it has are not wanted any more
	}
	c, err := provider.Retrieve(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return s3.Keys{}, ctx.Err()
	case err != nil && strings.Contains(err.Error(), noRole):
		return s3.Keys{}, none
	case err != nil:
		return s3.Keys{}, fmt.Errorf("AWS's chain of credentials: %w", err)
	}
	keys := s3.Keys{ID: c.AccessKeyID, Secret: c.SecretAccessKey, Token: c.SessionToken}
	if c.CanExpire {
		keys.Expires = c.Expires
	}
	return keys, nil
}

// awsConnections is how many connections fetch from Amazon, where nothing is pipelined
// and each request takes tens of milliseconds.
const awsConnections = 256

// client makes the client for a bucket.
func (f *s3Flags) client(id string, w wire.Options, log zerolog.Logger) (*s3.Client, error) {
	id = strings.TrimPrefix(id, s3Scheme)
	if f.endpoint != "" {
		id = strings.TrimSuffix(id, atServer+f.endpoint)
	}
	bucket, prefix, _ := strings.Cut(id, "/")
	if prefix != "" {
		prefix += "/"
	}
	o := s3.Options{
		Bucket: bucket, Prefix: prefix, Endpoint: f.endpoint, Region: f.region, PathStyle: pathStyles[f.pathStyle],
		RequestPayer: f.payer, Listers: f.listers, Log: log, Options: w,
	}
	if !f.noSign {
		o.Keys = f.keys
	}
	if o.OnAWS() && w.Pipeline == 0 {
		o.Pipeline = 1 // nobody knows what it makes of pipelined requests
	}
	c, err := s3.New(o)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// connections is how many connections fetch where the user has not said it; 0: as from
// other origins.
func (f *s3Flags) connections(id string) int {
	if f.endpoint == "" && onS3(id) {
		return awsConnections
	}
	return 0
}

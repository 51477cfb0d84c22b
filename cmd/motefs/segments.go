package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/motefs/motefs/cmd/motefs/internal/advice"
	"github.com/motefs/motefs/cmd/motefs/internal/stores"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/bucket"
	"github.com/motefs/motefs/mirror/objects/store"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/segments"
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
	if f.region != "" && !s3.ValidRegion(f.region) {
		return usagef("--segments-region %q: give letters, digits and hyphens", f.region)
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
	return &s3Flags{endpoint: f.endpoint, region: f.region, profile: f.profile, pathStyle: f.pathStyle, listers: 1, of: "segments-"}
}

// open opens the object store, to be read, or to be written too.
func (f *segmentsFlags) open(ctx context.Context, trust *tls.Config, write bool, log zerolog.Logger) (objects.Store, error) {
	return f.openAs(ctx, trust, store.Options{Make: write, Log: log})
}

// openAs opens it with what else o says.
func (f *segmentsFlags) openAs(ctx context.Context, trust *tls.Config, o store.Options) (objects.Store, error) {
	s := f.s3()
	if onS3(f.url) {
		if _, err := s.identity(f.url); err != nil {
			return nil, err
		}
		o.S3 = s3.Options{Endpoint: s.endpoint, Region: s.region, PathStyle: pathStyles[s.pathStyle], Keys: s.keys, Options: wire.Options{UserAgent: userAgent(), TLS: trust}}
	}
	opened, err := store.Open(ctx, f.url, o)
	if errors.Is(err, store.ErrURL) || errors.Is(err, bucket.ErrOptions) {
		return nil, usagef("--segments: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("--segments: %w", s.unanswered(ctx, err))
	}
	return opened, nil
}

// checkFree returns an error where a mirror is to be begun in a folder that is the store of a mirror
// of one machine, which a typo makes of --segments.
func (f *segmentsFlags) checkFree() error {
	u, err := url.Parse(f.url)
	if onS3(f.url) || err != nil || !stores.Is(u.Path) {
		return nil //nolint:nilerr // what is no URL is not opened
	}
	return &storeError{fmt.Sprintf("%s is the store of a mirror without --segments; give a folder of its own", f.shown())}
}

// unanswered is why an object store gives no answers, in better words where there are such.
func (f *s3Flags) unanswered(ctx context.Context, err error) error {
	e, ok := errors.AsType[*store.Error](err)
	if !ok || !onS3(e.URL) {
		return err
	}
	of := advice.Origin{S3: true, Endpoint: f.endpoint != "", Flags: f.of}
	what, do := "", ""
	switch {
	case errors.Is(err, errNoKeys):
		what, do = "no credentials were found", f.howKeys()
	case advice.WantsTLS(ctx, f.endpoint, e.Err):
		what, do = "what listens there speaks TLS", "give "+of.URL()+" with https:// in the place of http://"
	case errors.Is(err, objects.ErrAway):
		what, do = of.Of(e.Err)
	}
	if do == "" {
		return err
	}
	better := *e
	better.Do = do
	if what != "" {
		better.Err = &reworded{what, e.Err}
	}
	return &better
}

// reworded is an error in other words.
type reworded struct {
	text string
	error
}

func (r *reworded) Error() string { return r.text }
func (r *reworded) Unwrap() error { return r.error }

// about is an error of the object store, with what to do about it. One of others, as the origin, is
// left as it is.
func (*segmentsFlags) about(err error) error {
	if errors.Is(err, segments.ErrNone) {
		return fmt.Errorf("%w; check the URL, or begin one there with motefs mirror --segments", err)
	}
	op, ours := errors.AsType[*objects.OpError](err)
	do := store.Advice(err)
	if do == "" && ours { // what is around it may hide which error of the system it is
		do = store.Advice(op)
	}
	if do != "" && (ours || errors.Is(err, objects.ErrUnfit)) {
		return fmt.Errorf("%w; %s", err, do)
	}
	return err
}

// awayOf is what knows whether an object store is away; nil: nobody does.
func awayOf(s objects.Store) func() (since time.Time, why error) {
	if known, ok := s.(interface{ Away() (time.Time, error) }); ok {
		return known.Away
	}
	return nil
}

// shown is the URL for people.
func (f *segmentsFlags) shown() string { return strings.TrimRight(f.url, "/") }

// mountCommand is how the mirror is mounted, for a shell.
func (f *segmentsFlags) mountCommand() string {
	words := []string{"motefs", "mount", "--segments", shellWord(typed(f.shown()))}
	for i, value := range []string{f.endpoint, f.region, f.profile, strings.TrimPrefix(f.pathStyle, "auto")} {
		if value != "" {
			words = append(words, "--"+segmentsNames[i], shellWord(value))
		}
	}
	return strings.Join(append(words, "MOUNTPOINT"), " ")
}

// typed is a URL that can be shown and typed: of a folder's, what is no text is percent-encoded.
func typed(raw string) string {
	if onS3(raw) {
		return raw
	}
	var out strings.Builder
	for len(raw) > 0 {
		r, n := utf8.DecodeRuneInString(raw)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) {
			for _, b := range []byte(raw[:n]) {
				fmt.Fprintf(&out, "%%%02X", b)
			}
		} else {
			out.WriteString(raw[:n])
		}
		raw = raw[n:]
	}
	return out.String()
}

// shellWord is a word for a shell.
func shellWord(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./:@%+=,", c)
	}
	if word != "" && strings.IndexFunc(word, func(c rune) bool { return !plain(c) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// joinClose is err, with that of closing an object store.
func joinClose(err error, store objects.Store) error { return errors.Join(err, store.Close()) }

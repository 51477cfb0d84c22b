package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// defaultMaxFileSize keeps one absurd length from filling the disk.
const defaultMaxFileSize = 16 << 30

// sourceFlags are the flags of every command that reads from an origin.
type sourceFlags struct {
	store       string
	connections int
	headers     []string
	maxFileSize size
	limitRate   size
	limitFiles  int64
	pipeline    string
	caCert      string
	outage      time.Duration
	maxGone     goneLimit
	reserve     size
	storeBase   string // of the default for store; empty: the user's cache directory
	listingFlags
	s3 s3Flags
}

func (f *sourceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.store, "store", "", "`directory` of the store (default: one for each origin in the user's cache directory)")
	flags.IntVar(&f.connections, "connections", 0, fmt.Sprintf("number `N` of connections that fetch at the same time (default %d, from Amazon's S3 %d)", mirror.DefaultConnections, awsConnections))
	flags.StringArrayVar(&f.headers, "header", nil, "extra request header, `'Name: value'`, or @FILE with one a line; may be given several times. Other users see a command line, say by ps: put secrets into a file of your own, or into MOTEFS_HEADER")
	flags.StringVar(&f.pipeline, "pipeline", "auto", "requests written ahead on a connection: `off|auto|N`")
	flags.StringVar(&f.caCert, "ca-cert", "", "`file` of PEM certificates to trust for https beside the system's")
	flags.DurationVar(&f.outage, "outage", f.outage, "how long the origin may give nothing good before the mirror gives up; 0: for ever")
	flags.Var(&f.maxGone, "max-gone", "how many listed files may be gone at the origin, `N or N%`; with more, none is taken for gone (default 10%, and at least 1000)")
	f.reserve = cache.DefaultReserve
	flags.Var(&f.reserve, "reserve", "pause while less than so many `bytes` of the store's disk are free, also with K, M, G; 0: until it is full")
	f.maxFileSize = defaultMaxFileSize
	flags.Var(&f.maxFileSize, "max-file-size", "refuse files longer than this, in bytes or with K, M, G")
	flags.Var(&f.limitRate, "limit-rate", "mirror at most so many `bytes` a second, also with K, M, G; 0: no limit")
	flags.Int64Var(&f.limitFiles, "limit-files", 0, "mirror at most `N` files a second; 0: no limit")
	inGroup(flags, groupLimits, "connections", "limit-files", "limit-rate", "max-file-size", "max-gone", "outage", "pipeline", "reserve")
	f.listingFlags.register(flags)
	f.s3.register(flags)
}

// reserved is --reserve as cache.Options takes it.
func (f *sourceFlags) reserved() int64 {
	if f.reserve == 0 {
		return -1
	}
	return int64(f.reserve)
}

// originID is the canonical form of an origin's URL: what a store remembers. It has
// no secret: user-info, queries and fragments are refused, and errors do not show
// what may be one.
func originID(raw string) (string, error) {
	u, err := url.Parse(raw)
	taken := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && wire.ValidPort(u.Port())
	switch {
	case err == nil && u.User != nil:
		return "", usagef("the URL of the origin has a user or password in it; give that with --header @FILE instead")
	case err == nil && (u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#")):
		return "", usagef("the URL of the origin has a query (?) or a fragment (#); give what lets you in with --header @FILE, and a query of the listing with --list-path")
	case !taken && strings.ContainsAny(raw, "@?#"):
		return "", usagef("the origin is not a URL: give one such as http://host:port or https://host/path, without user, query and fragment")
	case !taken:
		return "", usageError{wording.NotURL(raw)}
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		u.Host = host
		if strings.Contains(host, ":") {
			u.Host = "[" + host + "]"
		}
	} else {
		u.Host = net.JoinHostPort(host, port)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u.String(), nil
}

// client lists an origin and gets its files.
type client interface {
	mirror.Lister
	mirror.Fetcher
	mirror.RangeFetcher
	Counts() wire.Counts
	Close() error
}

// client makes the client for an origin, which counts its requests into traffic; nil:
// nobody reads the counts.
func (f *sourceFlags) client(id string, inlineLimit int, traffic *wire.Traffic, log zerolog.Logger) (client, error) {
	depth, err := f.pipelineDepth()
	if err != nil {
		return nil, err
	}
	header, err := f.header()
	if err != nil {
		return nil, err
	}
	trust, err := f.trust()
	if err != nil {
		return nil, err
	}
	w := wire.Options{
		Header: header, UserAgent: userAgent(), TLS: trust,
		InlineLimit: min(inlineLimit, int(f.maxFileSize)), MaxFileSize: int64(f.maxFileSize), Pipeline: depth, Traffic: traffic,
		OnPipelineOff: func(reason string) {
			log.Warn().Str("reason", reason).Msg("the origin does not answer pipelined requests rightly; asking one at a time, which is slower")
		},
	}
	if onS3(id) {
		c, err := f.s3.client(id, w, log)
		if err != nil {
			return nil, err // and not a client that is a nil pointer
		}
		return c, nil
	}
	var told sync.Once // of each listing, it is the same
	onOnePage := func(lacks string) {
		told.Do(func() {
			log.Warn().Str("lacks", lacks).Msg("the first page of the listing does not say whether there is a next one, and is taken for all of it; if there is more, see --next-field")
		})
	}
	c, err := origin.New(origin.Options{BaseURL: f.baseOf(id), Layout: f.layout, OnOnePage: onOnePage, Options: w})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// userAgent is how this program calls itself.
func userAgent() string { return "motefs/" + version() }

// trust is the configuration for --ca-cert, nil without.
func (f *sourceFlags) trust() (*tls.Config, error) {
	if f.caCert == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.caCert)
	if err != nil {
		return nil, usagef("--ca-cert %s: %w", f.caCert, wording.Cause(err))
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificates cannot be read: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usagef("--ca-cert %s: no PEM certificate in it", f.caCert)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// server is the URL of who is asked for an origin, empty for Amazon.
func (f *sourceFlags) server(id string) string {
	if onS3(id) {
		return f.s3.endpoint
	}
	return f.baseOf(id)
}

// excluding are flags of which one alone can hold.
var excluding = [][2]string{
	{"daemon", "foreground"}, {"no-sign-request", "profile"},
	{"retry-failed", "refresh"}, {"retry-failed", "sample"}, {"refresh", "sample"},
}

// fit drops settings that something said nearer to the user excludes, and those that say how
// other kinds of origins are asked: a file of configuration is for all of them. What stands
// on the command line is meant for this one.
func (a *app) fit(cmd *cobra.Command, f *sourceFlags, raw string) error {
	var others []string
	listing := a.settings.Place(cmd, "names")
	for _, w := range f.words() {
		place := a.settings.Place(cmd, w.name)
		if onS3(raw) || f.names != "" && place < listing {
			others = append(others, w.name)
		} else if place > listing { // a listing, and not the list of a file
			others = append(others, "names", "null")
		}
	}
	if !onS3(raw) {
		others = append(others, s3Names...)
	}
	for _, name := range others {
		if a.settings.Place(cmd, name) == config.CommandLine {
			continue
		}
		if err := a.settings.Drop(cmd, name); err != nil {
			return err
		}
	}
	for _, pair := range excluding {
		if err := a.settings.Prefer(cmd, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// target is the origin that raw names, and where its store stands.
func (f *sourceFlags) target(raw string) (id, dir string, err error) {
	if id, err = f.originOf(raw); err != nil {
		return "", "", err
	}
	dir, err = f.storeDir(id)
	return id, dir, err
}

// originOf is the identity of the origin that raw names.
func (f *sourceFlags) originOf(raw string) (id string, err error) {
	switch {
	case onS3(raw) && f.layout.Given():
		err = usagef("origin %s: a bucket lists in its own way: --list-path, --get-path, --names-field and the like do not go with it", raw)
	case onS3(raw):
		id, err = f.s3.identity(raw)
	case f.s3.given():
		err = usagef("--endpoint-url, --region, --profile, --no-sign-request, --request-payer, --path-style and --listers go with an origin s3://BUCKET")
	default:
		if id, err = originID(raw); err == nil {
			id = f.identity(id)
		}
	}
	return id, err
}

// storeDir is where the origin's store stands.
func (f *sourceFlags) storeDir(id string) (string, error) {
	if f.store != "" {
		dir, err := filepath.Abs(f.store)
		if err != nil {
			return "", fmt.Errorf("--store %s: %w", f.store, err)
		}
		return dir, nil
	}
	if f.storeBase != "" {
		return filepath.Join(f.storeBase, storeName(id)), nil
	}
	root, err := storeRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, storeName(id)), nil
}

// storeName makes a readable directory name of an origin, with a sum that keeps
// origins apart which look the same in it.
func storeName(id string) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(id)) // a hash never fails
	_, rest, _ := strings.Cut(id, "://")
	readable := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, rest)
	return fmt.Sprintf("%.60s-%08x", readable, sum.Sum32())
}

// validate checks a flag that the engine would refuse later.
func (f *sourceFlags) validate(cmd *cobra.Command) error {
	if f.connections < 1 && cmd.Flags().Changed("connections") || f.connections > mirror.MaxConnections {
		return usagef("--connections %d: give 1 to %d", f.connections, mirror.MaxConnections)
	}
	if f.outage < 0 {
		return usagef("--outage %v: give a time such as 10m, or 0 for ever", f.outage)
	}
	if f.maxFileSize == 0 {
		return usagef("--max-file-size 0: give a positive number")
	}
	if f.limitFiles < 0 {
		return usagef("--limit-files %d: give 0 or more", f.limitFiles)
	}
	if err := f.s3.validate(); err != nil {
		return err
	}
	return f.listingFlags.validate(cmd)
}

// pipelineDepth is --pipeline as origin.Options has it.
func (f *sourceFlags) pipelineDepth() (int, error) {
	switch f.pipeline {
	case "", "auto":
		return 0, nil
	case "off":
		return 1, nil
	}
	n, err := strconv.Atoi(f.pipeline)
	if err != nil || n < 1 {
		return 0, usagef("--pipeline %q: give off, auto or a positive number", f.pipeline)
	}
	return n, nil
}

// patience is --outage as mirror.Options has it.
func (f *sourceFlags) patience() time.Duration {
	if f.outage == 0 {
		return -1
	}
	return f.outage
}

// goneLimit is a flag for a number of files, or a share of them.
type goneLimit mirror.GoneLimit

// Set reads a number, or one with a percent sign.
func (g *goneLimit) Set(text string) error {
	if number, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n <= 100) {
			return errors.New("give a number of files, or a share from 0% to 100%")
		}
		*g = goneLimit{Percent: n, Given: true}
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return errors.New("give a number of files, or a share such as 25%")
	}
	*g = goneLimit{Files: n, Given: true}
	return nil
}

// Reset makes it the default, which no text says.
func (g *goneLimit) Reset() { *g = goneLimit{} }

// String is empty for the default, which the help tells in words.
func (g *goneLimit) String() string { return "" }

// Type is the name of the value in the help.
func (g *goneLimit) Type() string { return "N or N%" }

// size is a flag for a number of bytes.
type size int64

// Set reads a number with an optional unit of 1024, 1024² or 1024³ bytes.
func (s *size) Set(text string) error {
	digits, unit := text, int64(1)
	for i, suffix := range []string{"K", "M", "G"} {
		if number, ok := strings.CutSuffix(strings.TrimSuffix(strings.ToUpper(text), "IB"), suffix); ok {
			digits, unit = number, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return errors.New("give a number of bytes such as 500, 64K, 10M or 2GiB")
	}
	*s = size(n * unit)
	return nil
}

// String is the number with the largest unit of which it is a multiple, as in 16GiB.
func (s *size) String() string {
	n, unit := int64(*s), ""
	for _, larger := range []string{"KiB", "MiB", "GiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	return strconv.FormatInt(n, 10) + unit
}

// Type is the name of the value in the help.
func (s *size) Type() string { return "bytes" }

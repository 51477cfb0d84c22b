package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sourceFlags are the flags of every command that reads from an origin.
type sourceFlags struct {
	store       string
	connections int
	headers     []string
}

func (f *sourceFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.store, "store", "", "`directory` of the store (default: one for each origin in the user's cache directory)")
	flags.IntVar(&f.connections, "connections", mirror.DefaultConnections, "`number` of connections that fetch at the same time")
	flags.StringArrayVar(&f.headers, "header", nil, "extra request header, `'Name: value'`; may be given several times")
}

// originID is the canonical form of an origin's URL: what a store remembers.
func originID(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", usagef("origin %q is not a URL: %w", raw, errors.Unwrap(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", usagef("origin %q: give a URL such as http://host:port or https://host/path", raw)
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

// client makes the HTTP client for an origin.
func (f *sourceFlags) client(id string, inlineLimit int) (*origin.Client, error) {
	header := http.Header{}
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, usagef("--header %q: give 'Name: value'", h)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	c, err := origin.New(origin.Options{BaseURL: id, Header: header, UserAgent: "motefs/" + version(), InlineLimit: inlineLimit})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
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
	base, err := os.UserCacheDir()
	if err != nil {
		return "", usagef("no default place for the store: %w; give --store", err)
	}
	return filepath.Join(base, "motefs", storeName(id)), nil
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
	if f.connections < 1 || f.connections > mirror.MaxConnections {
		return usagef("%s: --connections %d: give 1 to %d", cmd.Name(), f.connections, mirror.MaxConnections)
	}
	return nil
}

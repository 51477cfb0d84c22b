package main

import (
	"os"
	"strings"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/motefs/motefs/cmd/motefs/internal/stores"
	"github.com/motefs/motefs/fs"
	"github.com/spf13/pflag"
)

// storeFlag is the flag of commands that read a store and ask no origin.
type storeFlag struct{ dir string }

func (f *storeFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.dir, "store", "", "`directory` of the store")
}

// locate returns the directory of the store that is meant: by --store, by its origin, or by
// where it is mounted. Empty: none is named. An operand goes before a --store that does not
// stand beside it on the command line.
func (f *storeFlag) locate(args []string, store config.Place) (string, error) {
	switch {
	case f.dir != "" && len(args) > 0 && store == config.CommandLine:
		return "", usagef("give either --store, or a mountpoint or an origin")
	case len(args) == 0:
		return f.dir, nil
	case strings.Contains(args[0], "://"):
		return f.ofOrigin(args[0])
	case stores.Is(args[0]):
		return args[0], nil
	}
	return fs.StoreOf(args[0])
}

// ofOrigin is the store of an origin: that of --store where it is, as mount and mirror put
// it there, else one below the root.
func (f *storeFlag) ofOrigin(raw string) (string, error) {
	id, same, err := originAs(raw)
	if err != nil {
		return "", err
	}
	if f.dir != "" && stores.Is(f.dir) {
		if origin, err := cache.OriginOf(f.dir); err == nil && (origin == id || same(origin)) {
			return f.dir, nil
		}
	}
	return storeOfOrigin(raw)
}

// originAs is the origin that raw names, and which others it can be: more than the URL may
// tell it from them.
func originAs(raw string) (id string, same func(other string) bool, err error) {
	id = strings.TrimRight(raw, "/")
	if !onS3(raw) {
		if id, err = parseIdentity(raw); err != nil {
			return "", nil, err
		}
	}
	return id, func(other string) bool { return strings.HasPrefix(other, id+atServer) }, nil
}

// storeOfOrigin is the store of an origin below the root: of its URL, or of what motefs says
// of it where more than the URL tells it from others.
func storeOfOrigin(raw string) (string, error) {
	id, same, err := originAs(raw)
	if err != nil {
		return "", err
	}
	roots, err := storeRoots()
	if err != nil {
		return "", err
	}
	return stores.OfOrigin(roots, id, same)
}

// as is how a command is told to use the same origin and store again, empty where that takes
// more flags.
func (f *sourceFlags) as(raw string) string {
	switch {
	case f.layout.Given(), f.names != "", f.s3.given():
		return ""
	case f.store != "":
		return "--store " + f.store + " " + raw
	}
	return raw
}

// storeRoots are where the stores of this user are unless --store says otherwise.
func storeRoots() ([]string, error) {
	roots, err := stores.Roots(os.Geteuid())
	if err != nil {
		return nil, usageError{err}
	}
	return roots, nil
}

// storeRoot is where a command of this user makes stores unless --store says otherwise.
func storeRoot() (string, error) {
	root, err := stores.Root()
	if err != nil {
		return "", usageError{err}
	}
	return root, nil
}

// Package stores finds stores: those below the root, where each origin has one unless
// --store says otherwise, and the one that somebody means.
package stores

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/motefs/motefs/cache"
)

// Root is the directory in which stores are made by default.
func Root() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no default place for stores: %w; give --store", err)
	}
	return filepath.Join(base, "motefs"), nil
}

// Store is a directory below the root.
type Store struct {
	Dir    string
	Origin string // empty where Err says why it is not known
	Err    error
}

// Below lists the stores in root, by their names. What is no store is left out; a store that
// cannot be read is there, with why.
func Below(root string) ([]Store, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Store
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if !e.IsDir() || !Is(dir) {
			continue
		}
		origin, err := cache.OriginOf(dir)
		all = append(all, Store{Dir: dir, Origin: origin, Err: err})
	}
	return all, nil
}

// Is reports whether dir says of itself that it is a store.
func Is(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "FORMAT"))
	return err == nil && info.Mode().IsRegular()
}

// noStore is a cache.ErrFormat that says it in its own words.
type noStore string

func (e noStore) Error() string        { return string(e) }
func (e noStore) Is(target error) bool { return target == cache.ErrFormat }

// OfOrigin is the store in root of an origin, which is given as `motefs stores` shows it or
// in another way for which same holds. The error is cache.ErrFormat where there is none.
func OfOrigin(root, origin string, same func(id string) bool) (string, error) {
	all, err := Below(root)
	if err != nil {
		return "", err
	}
	found := slices.DeleteFunc(all, func(s Store) bool { return s.Origin != origin && !same(s.Origin) })
	switch len(found) {
	case 0:
		return "", noStore(fmt.Sprintf("there is no store of %s in %s; motefs stores lists those that are there", origin, root))
	case 1:
		return found[0].Dir, nil
	}
	var dirs []string
	for _, s := range found {
		dirs = append(dirs, s.Dir)
	}
	return "", noStore(fmt.Sprintf("%s has several stores, give one with --store: %s", origin, strings.Join(dirs, ", ")))
}

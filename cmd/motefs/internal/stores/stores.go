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

// System is where root's mount helper and units keep stores: at boot there is no home, and a
// shell's would be another place than that of boot.
const System = "/var/cache/motefs"

// Roots are the directories in which a user's stores are by default: the Root, and of root
// also System.
func Roots(euid int) ([]string, error) {
	root, err := Root()
	switch {
	case euid != 0 || root == System:
		return []string{root}, err
	case err != nil: // as in a unit
		return []string{System}, nil //nolint:nilerr // that is one
	}
	return []string{root, System}, nil
}

// Store is a directory below the root.
type Store struct {
	Dir    string
	Origin string // empty where Err says why it is not known
	Err    error
}

// Below lists the stores in roots, by their names. What is no store is left out; a store that
// cannot be read is there, with why.
func Below(roots ...string) (all []Store, err error) {
	for _, root := range roots {
		here, err := below(root)
		if err != nil {
			return nil, err
		}
		all = append(all, here...)
	}
	return all, nil
}

func below(root string) ([]Store, error) {
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

// OfOrigin is the store in roots of an origin, which is given as `motefs stores` shows it or
// in another way for which same holds. The error is cache.ErrFormat where there is none.
func OfOrigin(roots []string, origin string, same func(id string) bool) (string, error) {
	all, err := Below(roots...)
	if err != nil {
		return "", err
	}
	found := slices.DeleteFunc(all, func(s Store) bool { return s.Origin != origin && !same(s.Origin) })
	switch len(found) {
	case 0:
		return "", noStore(fmt.Sprintf("there is no store of %s in %s; motefs stores lists those that are there", origin, strings.Join(roots, " and ")))
	case 1:
		return found[0].Dir, nil
	}
	var dirs []string
	for _, s := range found {
		dirs = append(dirs, s.Dir)
	}
	return "", noStore(fmt.Sprintf("%s has several stores, give one with --store: %s", origin, strings.Join(dirs, ", ")))
}

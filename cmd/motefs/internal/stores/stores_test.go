package stores

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
)

// TestRoots holds that root sees the stores of boot beside its own, and without a home too.
func TestRoots(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/c")
	for euid, want := range map[int][]string{0: {"/c/motefs", System}, 1000: {"/c/motefs"}} {
		if got, err := Roots(euid); err != nil || !slices.Equal(got, want) {
			t.Errorf("of user %d: %q, %v; want %q", euid, got, err, want)
		}
	}
	t.Setenv("XDG_CACHE_HOME", "/var/cache")
	if got, err := Roots(0); err != nil || !slices.Equal(got, []string{System}) {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if got, err := Roots(0); err != nil || !slices.Equal(got, []string{System}) {
		t.Errorf("without a home: %q, %v", got, err)
	}
	if got, err := Roots(1000); err == nil {
		t.Errorf("without a home a user's are %q", got)
	}
}

// TestOfOrigin finds stores below several roots.
func TestOfOrigin(t *testing.T) {
	one, two, none := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "none")
	for dir, origin := range map[string]string{
		filepath.Join(one, "a"): "http://a", filepath.Join(one, "both"): "http://both",
		filepath.Join(two, "b"): "http://b", filepath.Join(two, "both"): "http://both",
	} {
		store, err := cache.Open(cache.Options{Dir: dir, Origin: origin})
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	roots := []string{one, none, two}
	if all, err := Below(roots...); err != nil || len(all) != 4 || all[0].Origin != "http://a" || all[2].Origin != "http://b" {
		t.Errorf("below are %+v, %v", all, err)
	}
	no := func(string) bool { return false }
	if dir, err := OfOrigin(roots, "http://b", no); err != nil || dir != filepath.Join(two, "b") {
		t.Errorf("%q, %v", dir, err)
	}
	for origin, says := range map[string]string{"http://c": two, "http://both": filepath.Join(one, "both") + ", " + filepath.Join(two, "both")} {
		if _, err := OfOrigin(roots, origin, no); !errors.Is(err, cache.ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", origin, err, says)
		}
	}
}

package serve

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// keysFrom lists at most n keys from that one on.
func keysFrom(tb testing.TB, src KeyLister, from string, n int) (names []string) {
	tb.Helper()
	err := src.Keys([]byte(from), func(k *Key) bool {
		names = append(names, string(k.Name))
		return len(names) < n
	})
	if err != nil {
		tb.Fatalf("keys from %q: %v", from, err)
	}
	return names
}

// mangled is something near a name, or a name.
func mangled(rng *rand.Rand, name string) string {
	b := []byte(name)
	at := rng.IntN(len(b) + 1)
	switch rng.IntN(5) {
	case 0:
		return string(b[:at])
	case 1:
		return string(slices.Insert(b, at, byte(rng.Uint32())))
	case 2:
		return name + "\x00"
	case 3:
		if at < len(b) {
			b[at] += byte(1 - 2*rng.IntN(2))
		}
	}
	return string(b)
}

// checkKeys holds the keys of a source to its pages and gets.
func checkKeys(t *testing.T, src KeyLister) {
	t.Helper()
	rng := newRand(t)
	all := map[string]bool{}
	for _, name := range namesOf(t, src) {
		all[name] = true
	}
	want := slices.Sorted(maps.Keys(all))
	if got := keysFrom(t, src, "", len(want)+1); !slices.Equal(got, want) {
		t.Fatalf("keys are %q, want %q", got, want)
	}
	for range 300 {
		from := ""
		if len(want) > 0 {
			from = mangled(rng, want[rng.IntN(len(want))])
		}
		at, _ := slices.BinarySearch(want, from)
		if got := keysFrom(t, src, from, 5); !slices.Equal(got, want[at:min(at+5, len(want))]) {
			t.Fatalf("keys from %q are %q, want %q", from, got, want[at:min(at+5, len(want))])
		}
	}
	err := src.Keys(nil, func(k *Key) bool {
		var o Object
		if err := src.Get(k.Name, &o); err != nil || o.size() != k.Size || !o.ModTime.Equal(k.ModTime) || !bytes.Equal(o.ETag, k.ETag) {
			t.Errorf("listed %q %+v, got %+v, %v", k.Name, k, o, err)
		}
		o.close()
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

// namesOf lists a source whose pages may be shorter than they could be.
func namesOf(tb testing.TB, src Source) (all []string) {
	tb.Helper()
	for marker := ""; ; {
		next, err := src.Page(marker, 100, func(name []byte) { all = append(all, string(name)) })
		if err != nil {
			tb.Fatal(err)
		}
		if next == "" {
			return all
		}
		marker = next
	}
}

func TestSyntheticKeys(t *testing.T) {
	for name, o := range map[string]SyntheticOptions{
		"none":        {},
		"plain":       {Files: 1234, VarySize: true},
		"directories": {Files: 1234, FilesPerDir: 10, LargeEvery: 500, LargeSize: 2 << 20},
		"edition":     {Files: 1234, FilesPerDir: 7, VarySize: true, Edition: SyntheticEdition{Changed: .3, Removed: .3, Added: .3, Seed: 3}},
		"all removed": {Files: 50, Edition: SyntheticEdition{Removed: 1}},
		"all new":     {Files: 50, Edition: SyntheticEdition{Removed: 1, Added: 1}},
		"only added":  {Files: 50, FilesPerDir: 3, Edition: SyntheticEdition{Added: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Validators = true
			checkKeys(t, NewSynthetic(o))
			o.Validators, o.S3ETags = false, true
			checkKeys(t, NewSwitch(NewSynthetic(o)))
		})
	}
}

// TestSyntheticKeysUnordered has a source refused of which the order of the listing
// is not that of the names.
func TestSyntheticKeysUnordered(t *testing.T) {
	for name, o := range map[string]SyntheticOptions{
		"shuffled":         {Files: 10, Shuffle: true},
		"many files":       {Files: 1e12 + 1},
		"many directories": {Files: 1e6 + 1, FilesPerDir: 1},
	} {
		o.S3ETags = true
		if err := NewSynthetic(o).Keys(nil, func(*Key) bool { return false }); !errors.Is(err, ErrUnordered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := NewSynthetic(SyntheticOptions{Files: 10}).Keys(nil, func(*Key) bool { return false }); !errors.Is(err, errNoValidators) {
		t.Errorf("without validators: %v", err)
	}
	last := NewSynthetic(SyntheticOptions{Files: 1e12, FilesPerDir: 1e6, S3ETags: true})
	if got, want := keysFrom(t, last, last.Name(1e12-2), 9), []string{last.Name(1e12 - 2), last.Name(1e12 - 1)}; !slices.Equal(got, want) {
		t.Errorf("the last keys are %q, want %q", got, want)
	}
	if err := NewSwitch(sourceOnly{last}).Keys(nil, nil); !errors.Is(err, ErrUnordered) {
		t.Errorf("a source without keys: %v", err)
	}
}

// sourceOnly is a source without more.
type sourceOnly struct{ Source }

func TestTreeKeys(t *testing.T) { checkKeys(t, openTree(t, makeTree(t, treeFiles...))) }

// TestS3ETag has the ETag of a file be none that a client takes for an MD5.
func TestS3ETag(t *testing.T) {
	var o Object
	src := NewSynthetic(SyntheticOptions{Files: 1, S3ETags: true})
	if err := src.Get([]byte(src.Name(0)), &o); err != nil || len(o.ETag) != len(`"0123456789abcdef0123456789abcdef-1"`) || !bytes.HasSuffix(o.ETag, []byte(`-1"`)) {
		t.Errorf("%s, %v", o.ETag, err)
	}
}

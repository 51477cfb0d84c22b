package cache

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzProgress, FuzzRefresh, FuzzPageTag and FuzzFailure read what may be damaged: they give ErrCorrupt or
// what, written and read again, is the same.
func FuzzProgress(f *testing.F) {
	f.Add([]byte{})
	f.Add((&Progress{Marker: "m\x00", ListingComplete: true, Listed: 3, Next: 99, Bytes: 1 << 50}).append(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		p, err := decodeProgress(value)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if again, err := decodeProgress(p.append(nil)); err != nil || again != p {
			t.Fatalf("%x decodes to %+v, then to %+v, %v", value, p, again, err)
		}
		p.Complete() // of any numbers
	})
}

func FuzzRefresh(f *testing.F) {
	f.Add([]byte{})
	f.Add((&refreshState{phase: phaseUnseen, contents: true, begun: -1, limit: 99, place: 7, listed: 8, marker: "m\x00"}).append(&Refreshed{New: 5, Kept: 1 << 40}))
	f.Fuzz(func(t *testing.T, value []byte) {
		state, counts, err := decodeRefresh(value)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if again, same, err := decodeRefresh(state.append(&counts)); err != nil || again != state || same != counts {
			t.Fatalf("%x decodes to %+v %+v, then to %+v %+v, %v", value, state, counts, again, same, err)
		}
	})
}

func FuzzPageTag(f *testing.F) {
	f.Add([]byte{})
	f.Add((&PageTag{ETag: `"e"`, Next: "n\x00", Names: 3, marker: "m", from: 16, to: 99, begun: -7}).append(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		tag, err := decodePageTag(value)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if again, err := decodePageTag(tag.append(nil)); err != nil || again != tag {
			t.Fatalf("%x decodes to %+v, then to %+v, %v", value, tag, again, err)
		}
	})
}

func FuzzFailure(f *testing.F) {
	f.Add([]byte{})
	f.Add((&Failure{Name: "d/f", When: -5, Tries: 3, Verdict: Final, Reason: "status 403"}).append(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		failure, err := decodeFailure(value)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		want := failure
		want.Reason = want.Reason[:min(len(want.Reason), maxReason)]
		if again, err := decodeFailure(failure.append(nil)); err != nil || again != want {
			t.Fatalf("%x decodes to %+v, then to %+v, %v", value, failure, again, err)
		}
	})
}

// FuzzKeys takes keys of any kind apart. One that is whole is what its parts make.
func FuzzKeys(f *testing.F) {
	f.Add(appendEntryKey(nil, 1, "name"))
	f.Add(appendRunKey(nil, 1, 16))
	f.Add(appendFailedKey(nil, 1<<40))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, key []byte) {
		if parent, name, ok := splitEntryKey(key); ok && string(appendEntryKey(nil, parent, string(name))) != string(key) {
			t.Errorf("%x is the entry %d %q", key, parent, name)
		}
		if parent, first, ok := splitRunKey(key); ok && string(appendRunKey(nil, parent, first)) != string(key) {
			t.Errorf("%x is the run %d %d", key, parent, first)
		}
		if ino, ok := splitInodeKey(key); ok && string(appendFailedKey(nil, ino)[1:]) != string(key[1:]) {
			t.Errorf("%x is of inode %d", key, ino)
		}
	})
}

// FuzzPath reads what somebody types below the mountpoint. It stands for no name, or
// for one whose own path leads back to it; and the form that one of a file and a
// directory of one name gets stands for the same name.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"a", "%%/%%a%/b", "%%%00%25", "%%%_x", "%%%zz", "a/%%..", "%%" + strings.Repeat("a", 300)} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		path := strings.Split(typed, "/")
		name, err := JoinName(path)
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Fatal(err)
			}
			return
		}
		own, err := SplitName(nil, name)
		if err != nil {
			if len(name) <= MaxName {
				t.Fatalf("%q is the name %q, of which: %v", typed, name, err)
			}
			return
		}
		if back, err := JoinName(own); err != nil || back != name {
			t.Fatalf("%q is the name %q, its path %q, and that the name %q, %v", typed, name, own, back, err)
		}
		if !canonical(own) || canonical(path) != slices.Equal(path, own) {
			t.Fatalf("%q is canonical: %v; its own path is %q", typed, canonical(path), own)
		}
		last := len(own) - 1
		other := OtherForm(own[last])
		if other == "" {
			return
		}
		if other == own[last] || len(other) > MaxComponent {
			t.Fatalf("another form of %q is %q", own[last], other)
		}
		if back, err := JoinName(append(slices.Clone(own[:last]), other)); err != nil || back != name {
			t.Fatalf("%q in another form, %q, is the name %q, %v", name, other, back, err)
		}
		if utf8.ValidString(own[last]) && !utf8.ValidString(other) {
			t.Fatalf("another form of %q is %q", own[last], other)
		}
	})
}

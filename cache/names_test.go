package cache

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitNameTable(t *testing.T) {
	long := strings.Repeat("a", 300)
	for _, tc := range []struct {
		name string
		path []string
	}{
		{"", []string{"%%"}},
		{"a", []string{"a"}},
		{"a/b c", []string{"a", "b c"}},
		{"/a", []string{"%%", "a"}},
		{"a/", []string{"a", "%%"}},
		{"a//b", []string{"a", "%%", "b"}},
		{"/", []string{"%%", "%%"}},
		{".", []string{"%%."}},
		{"../../etc/passwd", []string{"%%..", "%%..", "etc", "passwd"}},
		{"...", []string{"..."}},
		{"a\x00b%", []string{"%%a%00b%25"}},
		{"100%", []string{"100%"}},
		{"%2e%2e", []string{"%2e%2e"}},
		{"%%x", []string{"%%%25%25x"}},
		{"\xff\xfe", []string{"\xff\xfe"}},
		{strings.Repeat("b", 255), []string{strings.Repeat("b", 255)}},
		{long, []string{"%%" + long[:252] + "%", long[252:]}},
		{strings.Repeat("b", 252) + "....", []string{"%%" + strings.Repeat("b", 252) + "%", "...."}},
		{strings.Repeat("b", 254) + "..", []string{"%%" + strings.Repeat("b", 252) + "%", "bb.."}},
		{strings.Repeat("b", 252) + "..aa", []string{"%%" + strings.Repeat("b", 252) + "%", "..aa"}},
	} {
		got, err := SplitName(nil, tc.name)
		if err != nil || !slices.Equal(got, tc.path) {
			t.Errorf("SplitName(%q) = %q, %v; want %q", tc.name, got, err, tc.path)
		}
		if back, err := JoinName(got); err != nil || back != tc.name {
			t.Errorf("JoinName(%q) = %q, %v; want %q", got, back, err, tc.name)
		}
	}
}

func TestSplitNameRefuses(t *testing.T) {
	if path, err := SplitName(nil, strings.Repeat("x", MaxName+1)); err == nil {
		t.Errorf("SplitName of %d bytes = %q, want an error", MaxName+1, path)
	}
}

func TestJoinNameRefuses(t *testing.T) {
	for _, path := range [][]string{{"%%a%"}, {"%%%zz"}, {"%%%2"}, {}} {
		if name, err := JoinName(path); err == nil {
			t.Errorf("JoinName(%q) = %q, want an error", path, name)
		}
	}
}

func TestCanonical(t *testing.T) {
	for path, want := range map[string]bool{"a": true, "%%a": false, "%%.": true, "%%": true, "%%%25%25a": true, "%%%25a": false} {
		if got := canonical(strings.Split(path, "/")); got != want {
			t.Errorf("canonical(%q) = %v, want %v", path, got, want)
		}
	}
	if name, err := JoinName([]string{"%%a"}); err != nil || name != "a" {
		t.Errorf("a forced escape reads as %q, %v", name, err)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "/", "..", "a\x00/%%/%", strings.Repeat("%", 400), strings.Repeat("\x00", 90) + "/." + strings.Repeat("x", 253)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := SplitName(nil, name)
		if err != nil {
			return
		}
		for _, c := range path {
			if c == "" || c == "." || c == ".." || len(c) > MaxComponent || strings.ContainsAny(c, "/\x00") {
				t.Fatalf("%q gives component %q", name, c)
			}
		}
		back, err := JoinName(path)
		if err != nil || back != name {
			t.Fatalf("%q gives %q and comes back as %q, %v", name, path, back, err)
		}
		if !canonical(path) {
			t.Fatalf("%q gives %q, which is not canonical", name, path)
		}
	})
}

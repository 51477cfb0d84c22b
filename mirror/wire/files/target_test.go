package files

import "testing"

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "a": "a", "a/b": "a/b", "/a": "/a", "a//b/": "a//b/", "..": "%2E%2E", ".": "%2E", "a/../b": "a/%2E%2E/b",
		"./..": "%2E/%2E%2E", "...": "...", ".a/..b/c.": ".a/..b/c.", "a b": "a%20b", "a?b#c": "a%3Fb%23c", "%41": "%2541",
		"a+b&c=d;e": "a%2Bb%26c%3Dd%3Be", "\x00\r\n\x7f": "%00%0D%0A%7F", "ü": "%C3%BC", "\xff": "%FF", "A-Z_z~.": "A-Z_z~.",
		"{[@`|\\": "%7B%5B%40%60%7C%5C", "x/.": "x/%2E", "x:9": "x%3A9",
	} {
		if got := string(AppendName(nil, name)); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

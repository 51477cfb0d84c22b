package wording

import "testing"

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"mont", "mount", 1}, {"kitten", "sitting", 3}, {"nofial", "nofail", 2}} {
		if got := distance(tc.a, tc.b); got != tc.want || distance(tc.b, tc.a) != tc.want {
			t.Errorf("%q to %q is %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"limit-rate", "log-level", "store", "gid"}
	for word, want := range map[string]string{"limitrate": "limit-rate", "stroe": "store", "foo": "", "log-file": "", "something": ""} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

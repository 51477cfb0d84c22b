package main

import "testing"

// TestOthersRead: the page shows files to other users where the mount lets them read.
func TestOthersRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allowOther bool
		umask      octal
		want       bool
	}{
		{false, defaultUmask, false}, {false, 0, false},
		{true, defaultUmask, true}, {true, 0, true}, {true, 0o072, true},
		{true, 0o277, false}, {true, 0o004, false}, {true, 0o001, false}, {true, 0o777, false},
	} {
		f := &mountFlags{allowOther: c.allowOther, umask: c.umask}
		if got := f.othersRead(); got != c.want {
			t.Errorf("--allow-other %t, --umask %v: %t", c.allowOther, c.umask.String(), got)
		}
	}
}

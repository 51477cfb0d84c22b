package main

import (
	"runtime/debug"
	"testing"
)

// TestBuilt says what a program was built from, as far as the build knows.
func TestBuilt(t *testing.T) {
	settings := func(pairs ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{}
		for i := 0; i < len(pairs); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return info
	}
	for want, info := range map[string]*debug.BuildInfo{
		"":                       settings("CGO_ENABLED", "1"),
		" (commit 0b38c2e61173)": settings("vcs.revision", "0b38c2e611730eaece0907a352b794fd71fa13cb"),
		" (commit 0b38c2e61173, 2026-11-29, with changes)": settings("vcs.revision", "0b38c2e611730eaece0907a352b794fd71fa13cb",
			"vcs.time", "2026-11-29T23:06:47Z", "vcs.modified", "true"),
	} {
		if got := built(info); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

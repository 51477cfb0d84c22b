package main

import (
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestServeEdition has the flags of serve make an origin that has changed.
func TestServeEdition(t *testing.T) {
	a := &app{}
	cmd := serveCommand(a)
	if err := cmd.ParseFlags([]string{"--synthetic", "100000", "--changed", "1%", "--removed", "0.02", "--added", "3%", "--validators"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"changed": "0.01", "removed": "0.02", "added": "0.03", "validators": "true"} {
		if got := cmd.Flag(name).Value.String(); got != want {
			t.Errorf("--%s is %s, want %s", name, got, want)
		}
	}
	f := &serveFlags{synthetic: 100_000, validators: true, changed: .01, removed: .02, added: .03}
	src, _, err := f.source("")
	if err != nil {
		t.Fatal(err)
	}
	made := src.(*serve.Synthetic)
	n := made.EditionCounts()
	if n.Changed < 900 || n.Changed > 1100 || n.Removed < 1900 || n.Removed > 2100 || n.Added < 2850 || n.Added > 3150 {
		t.Errorf("%+v of 100,000", n)
	}
	var o serve.Object
	if err := made.Get([]byte(made.Name(made.Listed(0))), &o); err == nil && (len(o.ETag) == 0 || o.ModTime.IsZero()) {
		t.Errorf("no validators: %+v", o)
	}
}

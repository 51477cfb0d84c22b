package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestManualPages writes the manual pages as make man does, and looks for what a page of
// each command has. man itself finds nothing to complain of, where it is there.
func TestManualPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.Command("go", "run", "-tags", "man", ".", "man", "../../README.md", dir)
	build.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=86400")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sections := map[string][]string{
		"motefs":         {"SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "FILES", "ENVIRONMENT", "SEE ALSO"},
		"motefs-version": {"SYNOPSIS", "EXIT STATUS", "SEE ALSO"},
	}
	for _, name := range []string{"mount", "mirror", "verify", "serve", "demo", "config"} {
		sections["motefs-"+name] = []string{"SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "FILES", "ENVIRONMENT", "SEE ALSO"}
	}
	sections["motefs-unmount"] = []string{"SYNOPSIS", "EXAMPLES", "EXIT STATUS"}
	for name, want := range sections {
		page := filepath.Join(dir, name+".1")
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, section := range want {
			if !strings.Contains(string(text), "\n.SH "+section+"\n") {
				t.Errorf("%s has no section %s", page, section)
			}
		}
		if !strings.Contains(string(text), `"Jan 1970"`) {
			t.Errorf("%s does not have the date that it was given", page)
		}
		groff, err := exec.LookPath("groff")
		if err != nil {
			t.Logf("there is no groff to read the pages")
			continue
		}
		if out, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput(); err != nil || strings.Contains(string(out), "error") {
			t.Errorf("groff on %s: %v\n%s", page, err, out)
		}
	}
}

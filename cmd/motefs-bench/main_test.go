package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestMain lets the test binary play the program's children, as the program does.
func TestMain(m *testing.M) {
	if code, named := helperMain(os.Args[1:]); named {
		os.Exit(code)
	}
	// The children are this binary too, and one with the race detector in it waits
	// a second at its end for reports.
	if os.Getenv("GORACE") == "" {
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestMotefsRows runs the smallest benchmark there is, with a real motefs.
func TestMotefsRows(t *testing.T) {
	motefs := filepath.Join(t.TempDir(), "motefs")
	if out, err := exec.Command("go", "build", "-o", motefs, "../motefs").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-quick", "-only", "^motefs", "-files", "2345", "-repeat", "2", "-motefs", motefs, "-dir", dir}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, row := range []string{
		`\| nginx \| motefs mirror \| a store \| (2,345 \| [\d,]+ \(|\| not installed: apt-get install nginx-light \|)`,
		`\| serve \| motefs mirror \| a store \| 2,345 \| [\d,]+ \([\d,]+ – [\d,]+\) \| [\d,.]+ \([^|]+\) \| [\d.]+ MB \| – \|`,
		`\| serve \| motefs mirror, shuffled listing \| a store \| 2,345 \| [\d,]+ \(`,
	} {
		if !regexp.MustCompile(row).MatchString(stdout.String()) {
			t.Errorf("no row matches %s in\n%s\n%s", row, stdout.String(), stderr.String())
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCheckFiles checks that the check bites.
func TestCheckFiles(t *testing.T) {
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 10})
	j := &job{source: source, files: 3, out: t.TempDir()}
	put := func(name string, body []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(j.out, name), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(text string) {
		t.Helper()
		if n, err := checkFiles(t.Context(), j); text == "" && (n != 3 || err != nil) || text != "" && !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("checkFiles = %d, %v; not %q", n, err, text)
		}
	}
	for i := range int64(2) {
		put(source.Name(i), source.Body(i))
	}
	wants("2 of 3 files arrived")
	put(source.Name(2), source.Body(2))
	wants("")
	put("more", nil)
	wants("4 files are there, not 3")
	put(source.Name(1), []byte("<html>"))
	wants("other bytes")
}

func TestPlanNamesEachRowOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range plan(options{common: common{quick: true}}) {
		key := r.name + " from " + r.origin.name
		if seen[key] || r.files < 1 && r.stored != storedNothing {
			t.Errorf("row %q: seen %v, %d files", key, seen[key], r.files)
		}
		seen[key] = true
	}
	if len(seen) != 27 {
		t.Errorf("%d rows", len(seen))
	}
}

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
)

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSemanticsNamesItsTests checks that each test that SEMANTICS.md and SECURITY.md
// name for a claim is there.
func TestSemanticsNamesItsTests(t *testing.T) {
	tests := map[string]bool{}
	if err := filepath.WalkDir("../..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"SEMANTICS.md", "SECURITY.md"} {
		named := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(document(t, doc), -1)
		if len(named) < 10 {
			t.Errorf("only %d claims of %s name a test", len(named), doc)
		}
		for _, name := range named {
			if !tests[name] {
				t.Errorf("%s names %s, which does not exist", doc, name)
			}
		}
	}
}

// TestSecurityNamesATestForEachPromise checks that no bullet of what SECURITY.md
// promises goes without a test.
func TestSecurityNamesATestForEachPromise(t *testing.T) {
	_, promises, _ := strings.Cut(document(t, "SECURITY.md"), "\n## What is promised\n")
	promises, _, ok := strings.Cut(promises, "\n## ")
	bullets := strings.Split(promises, "\n- ")[1:]
	if !ok || len(bullets) < 10 {
		t.Errorf("only %d promises are seen", len(bullets))
	}
	for _, bullet := range bullets {
		if !regexp.MustCompile(`\[(?:Test|Fuzz)`).MatchString(bullet) {
			t.Errorf("no test for\n%s", bullet)
		}
	}
}

// TestSemanticsNamesATestForEachClaim checks that no row of a table, bullet or
// paragraph of SEMANTICS.md goes without a test. A paragraph that ends in a colon
// introduces what follows.
func TestSemanticsNamesATestForEachClaim(t *testing.T) {
	cited := regexp.MustCompile(`\[(?:(?:Test|Fuzz)\w+(?:,\s+)?)+\]`)
	claims := 0
	for block := range strings.SplitSeq(document(t, "SEMANTICS.md"), "\n\n") {
		block = strings.TrimSpace(block)
		switch {
		case strings.HasPrefix(block, "#"), strings.HasSuffix(block, ":"):
			continue
		case strings.HasPrefix(block, "|"):
			// The first two rows are the heads and a rule.
			for _, row := range strings.Split(block, "\n")[2:] {
				if claims++; !cited.MatchString(row) {
					t.Errorf("no test for the row\n%s", row)
				}
			}
		default:
			for claim := range strings.SplitSeq(strings.TrimPrefix(block, "- "), "\n- ") {
				if claims++; !cited.MatchString(claim) {
					t.Errorf("no test for\n%s", claim)
				}
			}
		}
	}
	if claims < 50 {
		t.Errorf("only %d claims are seen", claims)
	}
}

// TestReadmeNamesRealFlags checks the commands, flags and statuses of README.md, and the
// flags of ORIGINS.md.
func TestReadmeNamesRealFlags(t *testing.T) {
	readme := document(t, "README.md")
	help := ""
	for _, command := range []string{"mount", "mirror", "verify", "unmount", "serve", "demo", "config", "version"} {
		help += finish(t, exitOK, command, "--help").Stdout.String()
		if !strings.Contains(readme, "`motefs "+command) {
			t.Errorf("README.md does not tell of motefs %s", command)
		}
	}
	for _, flag := range regexp.MustCompile("--[a-z][a-z-]+").FindAllString(readme+document(t, "ORIGINS.md"), -1) {
		if !strings.Contains(help, flag) {
			t.Errorf("README.md or ORIGINS.md tells of %s, which no command has", flag)
		}
	}
	for _, status := range []int{exitOK, exitError, exitUsage, exitMountpoint, exitStore, exitOrigin, exitFailed, exitDamaged, exitNewer, exitInterrupted} {
		if !strings.Contains(readme, fmt.Sprintf("\n| %d | ", status)) {
			t.Errorf("README.md does not tell of status %d", status)
		}
	}
	if n := strings.Count(readme, "\n"); n > 200 {
		t.Errorf("README.md has %d lines", n)
	}
}

// TestReadmeByHand runs the commands that README.md gives, with another port,
// another directory and fewer files.
func TestReadmeByHand(t *testing.T) {
	fusetest.Need(t)
	_, rest, ok := strings.Cut(document(t, "README.md"), "By hand:\n\n```sh\n")
	script, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README.md has no commands to try by hand")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	dir := t.TempDir()
	mnt := filepath.Join(dir, "files")
	script = strings.NewReplacer(
		"make build\n", "", "bin/motefs", binary, "127.0.0.1:8080", addr, "/tmp/files", mnt,
		"serve --synthetic 1000000", "serve --synthetic 2000 --listen "+addr,
	).Replace(script)
	// A user takes a moment between the commands.
	var paced strings.Builder
	for _, line := range lines(script) {
		fmt.Fprintln(&paced, line)
		command, _, _ := strings.Cut(line, "#")
		switch {
		case strings.Contains(command, " serve ") && strings.HasSuffix(strings.TrimSpace(command), "&"):
			fmt.Fprintf(&paced, "until (: </dev/tcp/%s) 2>/dev/null; do sleep 0.05; done\n", strings.Replace(addr, ":", "/", 1))
		case strings.HasSuffix(strings.TrimSpace(command), "&"):
			fmt.Fprintf(&paced, "until mountpoint -q %s && [ $(ls %s | wc -l) -ge 2000 ]; do sleep 0.05; done\n", mnt, mnt)
		}
	}
	cmd := exec.Command("bash", "-ec", paced.String())
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "file-000000000000") || !strings.Contains(string(out), "0000000") {
		t.Errorf("%v\n%s\nprints:\n%s", err, paced.String(), out)
	}
	if left := mountsBelow(mnt); len(left) > 0 {
		t.Errorf("still mounted: %q", left)
	}
}

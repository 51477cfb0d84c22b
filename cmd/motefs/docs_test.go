package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/cluster"
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

// TestDocsTellOfClusterStatus looks in status.md for each field of what status --cluster --json prints.
func TestDocsTellOfClusterStatus(t *testing.T) {
	_, text, _ := strings.Cut(document(t, "cmd/motefs/docs/status.md"), "\n## Lines of `status --cluster --json`\n")
	text, _, ok := strings.Cut(text, "\n## ")
	if !ok {
		t.Fatal("status.md does not tell of status --cluster")
	}
	seen := 0
	for _, kind := range []reflect.Type{
		reflect.TypeFor[clusterStatus](), reflect.TypeFor[cluster.Report](), reflect.TypeFor[cluster.Working](),
		reflect.TypeFor[cluster.Leading](), reflect.TypeFor[cluster.Totals](),
	} {
		for field := range kind.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" {
				continue // one that is embedded
			}
			if seen++; !strings.Contains(text, "`"+name+"`") {
				t.Errorf("status.md does not tell of %s of %s", name, kind)
			}
		}
	}
	if seen < 25 {
		t.Errorf("only %d fields are seen", seen)
	}
}

// othersFlags are those of other programs that documents name.
var othersFlags = []string{"--device", "--cap-add", "--now", "--timeout", "--unix-socket"}

// TestReadmeNamesRealFlags checks the commands, flags and statuses of README.md, and the
// flags of ORIGINS.md and the guides.
func TestReadmeNamesRealFlags(t *testing.T) {
	readme := document(t, "README.md")
	help := finish(t, exitOK, "--help").Stdout.String()
	for _, command := range []string{"mount", "mirror", "status", "failures", "stores", "verify", "unmount", "serve", "demo", "config", "version"} {
		help += finish(t, exitOK, command, "--help").Stdout.String()
		if !strings.Contains(readme, "`motefs "+command) {
			t.Errorf("README.md does not tell of motefs %s", command)
		}
	}
	for _, flag := range regexp.MustCompile("--[a-z][a-z-]+").FindAllString(readme+document(t, "ORIGINS.md")+guides(t), -1) {
		if !strings.Contains(help, flag) && !slices.Contains(othersFlags, flag) {
			t.Errorf("README.md, ORIGINS.md or a guide tells of %s, which no command has", flag)
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

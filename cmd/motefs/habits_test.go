package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestWorkflows reads the workflows of hosted CI, and holds them to what there is: targets
// of make, files, and the keys that a job needs.
func TestWorkflows(t *testing.T) {
	makefile := document(t, "Makefile") + document(t, "cmd/motefs/packaging/install.mk")
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v", files, err)
	}
	targets := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var w struct {
			Name string
			On   any
			Jobs map[string]struct {
				RunsOn   string         `yaml:"runs-on"`
				Timeout  int            `yaml:"timeout-minutes"`
				Strategy map[string]any `yaml:"strategy"`
				Env      map[string]string
				Steps    []struct {
					Name, ID, If, Uses, Run string
					With, Env               map[string]string
				}
			}
			Permissions, Concurrency any
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&w); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if w.Name == "" || w.On == nil || w.Permissions == nil || len(w.Jobs) == 0 {
			t.Errorf("%s: no name, trigger, permissions or jobs", file)
		}
		for name, job := range w.Jobs {
			if job.RunsOn == "" || job.Timeout == 0 || len(job.Steps) < 2 {
				t.Errorf("%s: job %s lacks runs-on, timeout-minutes or steps", file, name)
			}
			for _, step := range job.Steps {
				if (step.Uses == "") == (step.Run == "") {
					t.Errorf("%s: job %s: a step has to use or to run", file, name)
				}
				if step.Uses != "" && !regexp.MustCompile(`^[\w-]+/[\w-]+@v\d+$`).MatchString(step.Uses) {
					t.Errorf("%s: job %s uses %q", file, name, step.Uses)
				}
				for _, m := range regexp.MustCompile(`\bmake ([a-z-]+)`).FindAllStringSubmatch(step.Run, -1) {
					if targets++; !strings.Contains(makefile, "\n"+m[1]+":") {
						t.Errorf("%s: job %s makes %s, which the Makefile does not", file, name, m[1])
					}
				}
			}
		}
	}
	if targets < 5 {
		t.Errorf("only %d targets are seen", targets)
	}
}

// TestOtherYAML reads every other file of YAML that people are given.
func TestOtherYAML(t *testing.T) {
	files := []string{"../../.golangci.yml", "packaging/nfpm.yaml", "packaging/daemonset.yaml", "packaging/cluster.yaml", "packaging/compose.yaml", "packaging/config.yaml"}
	templates, _ := filepath.Glob("../../.github/ISSUE_TEMPLATE/*.yml")
	for _, file := range append(files, templates...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		for {
			var document any
			if err := decoder.Decode(&document); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v", file, err)
				}
				break
			}
		}
	}
}

// TestRelease makes a release in a clone, where nobody sees it.
func TestRelease(t *testing.T) {
	dir := t.TempDir()
	script := `cd "$1"; git init -q .; git config user.name t; git config user.email t@example.org
mkdir .ci; cp "$2/.ci/release" .ci/; printf '# Changes\n\n## Unreleased\n\n- a\n' >CHANGELOG.md; git add -A; git commit -qm first
! .ci/release one 2>/dev/null
.ci/release 0.1.0
! .ci/release 0.1.0 2>/dev/null
git describe; cat CHANGELOG.md`
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("bash", "-ec", script, "bash", dir, top).CombinedOutput()
	if err != nil || !regexp.MustCompile(`(?s)\nv0\.1\.0\n# Changes\n\n## Unreleased\n\n## 0\.1\.0, \d{4}-\d\d-\d\d\n\n- a\n`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// TestPackagingYamlRuns reads each command of motefs in the examples for containers as the
// program does: it is one, its flags exist and take their values, and so do its variables.
func TestPackagingYamlRuns(t *testing.T) {
	variables := map[string]bool{}
	for _, cmd := range config.Commands(newApp(io.Discard, io.Discard).rootCommand()) {
		cmd.InheritedFlags()
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { variables[config.Variable(f.Name)] = true })
	}
	for file, want := range map[string]int{"daemonset.yaml": 1, "cluster.yaml": 2, "compose.yaml": 3} {
		seen := 0
		for _, document := range documentsOf(t, "packaging/"+file) {
			eachContainer(document, func(args []string) {
				seen++
				if err := parses(args); err != nil {
					t.Errorf("%s: motefs %q: %v", file, args, err)
				}
			})
			eachText(document, func(text string) {
				if strings.HasPrefix(text, "MOTEFS_") && !variables[text] {
					t.Errorf("%s names %s, which is no flag's", file, text)
				}
			})
		}
		if seen != want {
			t.Errorf("%s: %d commands of motefs are seen, not %d", file, seen, want)
		}
	}
}

// TestPackagingYamlIsChecked sees that a flag and a command that do not exist are found.
func TestPackagingYamlIsChecked(t *testing.T) {
	for _, args := range [][]string{{"mirror", "--segmnts", "x", "o"}, {"mirorr"}, {"mount", "--cache-size", "big", "d"}, {"mirror", "a", "b", "c"}} {
		if err := parses(args); err == nil {
			t.Errorf("motefs %q is taken for a command", args)
		}
	}
}

// documentsOf are the documents of a file of YAML.
func documentsOf(t *testing.T, path string) (all []any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var document any
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, document)
	}
}

// parses has the program read a command line, but for its operands' meaning.
func parses(args []string) error {
	cmd, rest, err := newApp(io.Discard, io.Discard).rootCommand().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// eachContainer calls fn for what containers of motefs' image run: args of Kubernetes, command of
// compose. Shells are left out.
func eachContainer(node any, fn func(args []string)) {
	if fields, ok := node.(map[string]any); ok {
		if image, _ := fields["image"].(string); strings.HasPrefix(image, "motefs:") {
			run, ok := fields["args"].([]any)
			if !ok {
				run, _ = fields["command"].([]any)
			}
			var args []string
			for _, arg := range run {
				args = append(args, fmt.Sprint(arg))
			}
			if len(args) > 0 && !strings.HasPrefix(args[0], "/") {
				fn(args)
			}
		}
	}
	eachBelow(node, func(below any) { eachContainer(below, fn) })
}

// eachText calls fn for each key and value that is text.
func eachText(node any, fn func(text string)) {
	if text, ok := node.(string); ok {
		fn(text)
	}
	if fields, ok := node.(map[string]any); ok {
		for key := range fields {
			fn(key)
		}
	}
	eachBelow(node, func(below any) { eachText(below, fn) })
}

func eachBelow(node any, fn func(below any)) {
	switch node := node.(type) {
	case map[string]any:
		for _, below := range node {
			fn(below)
		}
	case []any:
		for _, below := range node {
			fn(below)
		}
	}
}

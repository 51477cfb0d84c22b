package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// writeFiles writes the first files of a source, and their names.
func writeFiles(t *testing.T, source *serve.Synthetic) (dir, names string) {
	t.Helper()
	dir, names = t.TempDir(), filepath.Join(t.TempDir(), "names")
	for i := range source.Len() {
		if err := os.WriteFile(filepath.Join(dir, source.Name(i)), source.Body(i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(names, randomNames(source, source.Len()), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, names
}

func said(t *testing.T, help func([]string, io.Writer) error, args ...string) passes {
	t.Helper()
	var out bytes.Buffer
	if err := help(args, &out); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	var p passes
	if err := json.Unmarshal(out.Bytes(), &p); err != nil {
		t.Fatalf("%q said %q: %v", args, out.String(), err)
	}
	return p
}

// TestReader checks that the reader reads, and that its checks bite.
func TestReader(t *testing.T) {
	dir, names := writeFiles(t, serve.NewSynthetic(serve.SyntheticOptions{Files: 50}))
	p := said(t, helpRead, "-names", names, "-size", "100", "-check", dir)
	if len(p.Took) != 2 || p.Count != 50 || p.Bytes != 5000 {
		t.Errorf("the reader says %+v", p)
	}
	fails := func(text string) {
		t.Helper()
		err := helpRead([]string{"-names", names, "-size", "100", "-check", dir}, &bytes.Buffer{})
		if !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("the reader says %v, not %q", err, text)
		}
	}
	spoilt := filepath.Join(dir, "file-000000000007")
	for _, c := range []struct {
		body []byte
		says string
	}{
		{bytes.Repeat([]byte{0}, 100), "other bytes"},
		{bytes.Repeat([]byte{0}, readBuffer+1), fmt.Sprintf("%d bytes in 50 files", 49*100+readBuffer+1)},
	} {
		if err := os.WriteFile(spoilt, c.body, 0o644); err != nil {
			t.Fatal(err)
		}
		fails(c.says)
	}
	if err := os.Remove(spoilt); err != nil {
		t.Fatal(err)
	}
	fails("read file-000000000007: no such file")
}

func TestGetdents(t *testing.T) {
	dir := t.TempDir()
	want := map[string]bool{}
	for _, name := range []string{"a", "d/b", "d/e/c", strings.Repeat("n", 255)} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		want[name] = true
	}
	to := filepath.Join(t.TempDir(), "names")
	if p := said(t, helpGetdents, "-want", "6", "-sample", "10", "-to", to, dir); len(p.Took) != 2 || p.Count != 6 {
		t.Errorf("getdents says %+v", p)
	}
	paths, err := readPaths(to)
	if err != nil || len(paths.at) != len(want) {
		t.Fatalf("%d paths, %v", len(paths.at), err)
	}
	for _, name := range bytes.Split(bytes.TrimSuffix(paths.text, []byte{0}), []byte{0}) {
		if !want[string(name)] {
			t.Errorf("%q was picked", name)
		}
	}
	if err := helpGetdents([]string{"-want", "7", dir}, &bytes.Buffer{}); err == nil {
		t.Error("a missing entry goes unnoticed")
	}
}

func TestSequential(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, make([]byte, sequentialBuffer+5), 0o644); err != nil {
		t.Fatal(err)
	}
	if p := said(t, helpSequential, path); len(p.Took) != 2 || p.Bytes != sequentialBuffer+5 {
		t.Errorf("sequential says %+v", p)
	}
	if err := helpSequential([]string{"-size", "5", path}, &bytes.Buffer{}); err == nil {
		t.Error("a wrong length goes unnoticed")
	}
}

func TestRandomNamesAreDifferent(t *testing.T) {
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 100})
	for _, count := range []int64{0, 1, 60, 100} {
		seen := map[string]bool{}
		for name := range strings.SplitSeq(strings.TrimSuffix(string(randomNames(source, count)), "\x00"), "\x00") {
			if _, ok := source.Index([]byte(name)); ok {
				seen[name] = true
			}
		}
		if int64(len(seen)) != count {
			t.Errorf("%d names, not %d", len(seen), count)
		}
	}
}

func TestSamplerPicksFromAll(t *testing.T) {
	s := sampler{most: 10}
	s.reset()
	for i := range 1000 {
		s.offer("d/", fmt.Append(nil, i))
	}
	late := 0
	for _, p := range s.paths {
		var i int
		if _, err := fmt.Sscanf(p, "d/%d", &i); err != nil {
			t.Errorf("%q was picked", p)
		}
		if i >= 100 {
			late++
		}
	}
	if len(s.paths) != 10 || late == 0 {
		t.Errorf("picked %q", s.paths)
	}
}

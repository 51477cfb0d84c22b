package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// staticFiles are names and contents of a static web server's files.
func staticFiles() map[string]string {
	files := map[string]string{"a, b;c=d&e+f@g!/(h)'*": "odd", "ü/日本": "other letters", "100%/x%2Fy": "percent", "q?a=b#c": "query", " ": "space"}
	for i := range 2000 {
		files[fmt.Sprintf("d%d/e/f%04d", i%7, i)] = fmt.Sprintf("content %d", i)
	}
	return files
}

// writeFiles writes files below a directory.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, []byte(content))
	}
}

// TestNamesOfNginx mirrors a static web server by the output of find, mounts it, and
// follows it by a newer list.
func TestNamesOfNginx(t *testing.T) {
	t.Parallel()
	need(t, "find", "diff")
	www, dir := t.TempDir(), t.TempDir()
	writeFiles(t, www, staticFiles())
	url := startNginx(t, dir, fmt.Sprintf("location / { root %q; }", www))
	list := filepath.Join(dir, "names")
	shell(t, `cd "$1" && find . -type f -printf '%P\n' >"$2"`, www, list)
	m := startMount(t, url, "--names", list, "--prefetch-all")
	m.Logs("mirror is complete")
	shell(t, `diff -r "$1" "$2"`, www, m.dir)
	if got := python(t, `import os, sys; print(os.getxattr(sys.argv[1] + "/q?a=b#c", "user.motefs.url").decode(), end="")`, m.dir); got != url+"/q%3Fa%3Db%23c" {
		t.Errorf("the URL of a file is %q", got)
	}
	m.stop()

	shell(t, `cd "$1" && rm d1/e/f0001 && echo new >new && find . -type f -printf '%P\0' | gzip >"$2"`, www, list)
	p := finish(t, exitOK, "mirror", "--store", m.store, "--names", list, "-0", "--refresh", url)
	if out := p.Stdout.String(); !strings.Contains(out, ": 1 new, 0 changed, 1 removed,") {
		t.Errorf("a refresh by a newer list: %s", out)
	}
	again := m.again(url, "--names", list, "-0")
	shell(t, `diff -r "$1" "$2"`, www, m.dir)
	again.stop()
	v := finish(t, exitOK, "verify", "--store", m.store, url+"/{name}")
	if got := sumOf(t, v.Stdout.String(), "fetched"); got != len(staticFiles()) {
		t.Errorf("%d files: %s", got, v.Stdout)
	}
	for _, other := range [][]string{{url}, {"--get-path", "files", url}} {
		p := finish(t, exitStore, append([]string{"mirror", "--store", m.store}, other...)...)
		if !strings.Contains(p.Stderr.String(), "/{name}, and not of") {
			t.Errorf("another layout: %s", p.Stderr)
		}
	}
}

// namesList is a list of all files of a source.
func namesList(src *serve.Synthetic, files int) []byte {
	var list []byte
	for i := range files {
		list = append(append(list, src.Name(int64(i))...), '\n')
	}
	return list
}

// TestNamesInEveryForm mirrors the same names from a file and from standard input, plain
// and compressed, as names and as URLs, with all that may be odd in a list.
func TestNamesInEveryForm(t *testing.T) {
	t.Parallel()
	const files = 3000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 100})
	s := serveTest(t, serve.Options{}, src)
	list := namesList(src, files)
	urls := bytes.ReplaceAll(append([]byte("\n"), list...), []byte("\n"), []byte("\n"+s.URL()+"/get/"))
	urls = bytes.TrimSuffix(urls[1:], []byte(s.URL()+"/get/"))
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(list); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	odd := "\xef\xbb\xbf" + strings.ReplaceAll(string(list), "\n", "\r\n") + string(list[:len(list)/3]) + "\nhttp://example.invalid/get/x\n" + s.URL() + "/get/x?y\n" + strings.TrimSuffix(string(list[:len(list)/2]), "\n")
	for _, tc := range []struct {
		name string
		list []byte
		says []string
	}{
		{"plain", list, nil},
		{"URLs", urls, nil},
		{"gzip", zipped.Bytes(), nil},
		{"zstd", encoder.EncodeAll(urls, nil), nil},
		{"odd", []byte(odd), []string{"byte order mark", "carriage return", "another host", "a query", "no end behind it", "2 names left out", "stand in the list more than once"}},
	} {
		path, store := filepath.Join(t.TempDir(), "list"), filepath.Join(t.TempDir(), "store")
		write(t, path, tc.list)
		p := finish(t, exitOK, "mirror", "--store", store, "--names", path, "--get-path", "get", s.URL())
		is(t, store, s, src)
		for _, text := range tc.says {
			if !strings.Contains(p.Stdout.String()+p.Stderr.String(), text) {
				t.Errorf("%s: it does not tell of %q: %s%s", tc.name, text, p.Stdout, p.Stderr)
			}
		}
		if log := p.Stderr.String(); tc.says == nil && strings.Contains(log, "WRN") {
			t.Errorf("%s: %s", tc.name, log)
		}
		piped := start(t, "mirror", "--store", filepath.Join(t.TempDir(), "store"), "--names", "-", "--get-path", "get", s.URL())
		if _, err := piped.Stdin.Write(tc.list); err != nil {
			t.Error(err)
		}
		if err := piped.Stdin.Close(); err != nil {
			t.Error(err)
		}
		if status := piped.Wait(); status != exitOK || !strings.Contains(piped.Stdout.String(), "3,000 listed, 3,000 fetched") {
			t.Errorf("%s, piped: status %d: %s%s", tc.name, status, piped.Stdout, piped.Stderr)
		}
	}
	if lists := s.Counts().Lists; lists != 0 {
		t.Errorf("the origin was asked for %d pages", lists)
	}
}

// TestNamesElsewhere gives a list whose files are not where it says.
func TestNamesElsewhere(t *testing.T) {
	t.Parallel()
	s := serveTest(t, serve.Options{}, synthetic(100))
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, namesList(synthetic(100), 100))
	p := finish(t, exitOrigin, "mirror", "--store", filepath.Join(t.TempDir(), "store"), "--names", path, "--outage", "1s", s.URL())
	if text := p.Stderr.String(); !strings.Contains(text, "are at "+s.URL()+"/NAME, see --get-path") {
		t.Errorf("it says %s", text)
	}
}

// TestListingsInOtherWords mirrors what nginx itself lists, and what a service pages with
// whole URLs of the next page, and attributes.
func TestListingsInOtherWords(t *testing.T) {
	www, dir := t.TempDir(), t.TempDir()
	files := map[string]string{"a b": "1", "ü": "22", "c%d": "333"}
	writeFiles(t, www, files)
	write(t, filepath.Join(dir, "1.json"), []byte(`{"count": 3, "next": "HOST/items/?page=2", "results": [{"id": {"path": "a b"}, "bytes": 1}]}`))
	write(t, filepath.Join(dir, "2.json"), []byte(`{"count": 3, "next": null, "results": [{"id": {"path": "ü"}, "bytes": "2"}, "c%d"]}`))
	url := startNginx(t, dir, fmt.Sprintf(`
		location / { root %[1]q; autoindex on; autoindex_format json; }
		location = /items/ { default_type application/json; if ($arg_page = "2") { rewrite ^ /2.json last; } rewrite ^ /1.json last; }
		location ~ "[12].json" { internal; root %[2]q; sub_filter_types *; sub_filter HOST "http://$http_host"; }
		location /raw/ { alias "%[1]s/"; }`, www, dir))
	for _, args := range [][]string{
		{"--list-path", "./", "--names-field", ".", "--get-path", "."},
		{"--list-path", "items/", "--names-field", "results", "--next-field", "next", "--name-field", "id.path", "--size-field", "bytes", "--get-path", "raw"},
	} {
		store := filepath.Join(t.TempDir(), "store")
		all := append(append([]string{"mirror", "--store", store}, args...), url)
		p := finish(t, exitOK, all...)
		if out := p.Stdout.String(); !strings.Contains(out, "3 listed, 3 fetched (6 B)") {
			t.Errorf("%q: %s%s", args, out, p.Stderr)
		}
		if warned := strings.Contains(p.Stderr.String(), `rel=\"next\"`); warned != (args[3] == ".") {
			t.Errorf("%q: %s", args, p.Stderr)
		}
		p = finish(t, exitOK, append(all, "--refresh")...)
		if out := p.Stdout.String(); !strings.Contains(out, "0 new, 0 changed, 0 removed, 0 returned, 3 unchanged") {
			t.Errorf("%q, refreshed: %s%s", args, out, p.Stderr)
		}
	}
}

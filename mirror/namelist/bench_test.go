package namelist

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/motefs/motefs/mirror"
	"github.com/rs/zerolog"
)

// benchLists writes a list of n names in each form.
func benchLists(b *testing.B, n int) (paths map[string]string, length int) {
	b.Helper()
	var text, urls bytes.Buffer
	for i := range n {
		fmt.Fprintf(&text, "dir-%06d/file-%012d\n", i/1000, i)
		fmt.Fprintf(&urls, "%sdir-%06d/file-%012d\n", files, i/1000, i)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(text.Bytes()); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer encoder.Close()
	paths = map[string]string{}
	for form, list := range map[string][]byte{"plain": text.Bytes(), "URLs": urls.Bytes(), "gzip": zipped.Bytes(), "zstd": encoder.EncodeAll(text.Bytes(), nil)} {
		paths[form] = filepath.Join(b.TempDir(), "list")
		if err := os.WriteFile(paths[form], list, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return paths, text.Len()
}

// BenchmarkList measures the listing of a list of a million names; one operation is one
// name. BenchmarkResume measures what it costs to begin at its end; one is one byte.
func BenchmarkList(b *testing.B) {
	const names = 1_000_000
	paths, _ := benchLists(b, names)
	for _, form := range []string{"plain", "URLs", "gzip", "zstd"} {
		b.Run(form, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i += names {
				if n := listAll(b, paths[form], "", func(string) {}); n != names {
					b.Fatal(n)
				}
			}
		})
	}
}

// BenchmarkResume: see BenchmarkList.
func BenchmarkResume(b *testing.B) {
	paths, length := benchLists(b, 1_000_000)
	for _, form := range []string{"plain", "gzip", "zstd"} {
		last := ""
		listAll(b, paths[form], "", func(marker string) { last = marker })
		b.Run(form, func(b *testing.B) {
			b.SetBytes(1)
			for i := 0; i < b.N; i += length {
				listAll(b, paths[form], last, func(string) {})
			}
		})
	}
}

func listAll(b *testing.B, path, marker string, each func(marker string)) (n int) {
	l, err := Open(Options{Path: path, Files: files, Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var dst []mirror.Listed
	for {
		page, err := l.List(context.Background(), marker)
		if err != nil {
			b.Fatal(err)
		}
		for more := true; more; {
			if dst, more, err = page.Decode(dst[:0], 990, nil); err != nil {
				b.Fatal(err)
			}
			n += len(dst)
		}
		if marker = page.Next; marker == "" {
			return n
		}
		each(marker)
	}
}

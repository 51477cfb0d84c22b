package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/origin/serve/sigv4"
)

// TestMountStartsWithoutItsObjectStore mounts a mirror in a bucket once more while its server is gone:
// what was brought is served. A mount that has brought nothing says that it cannot reach it.
func TestMountStartsWithoutItsObjectStore(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 100})
	s := serveTest(t, serve.Options{}, src)
	bucket := httptest.NewServer(&objectstest.S3{
		Memory: objectstest.New(objectstest.Options{}), Bucket: "bucket", Prefix: "m/",
		Key: sigv4.Key{AccessKey: "id", SecretKey: "secret", Region: "us-east-1"},
	})
	t.Cleanup(bucket.Close)
	with := func(args ...string) []string {
		return append(args, "--segments", "s3://bucket/m", "--segments-endpoint-url", bucket.URL)
	}
	p := process.Start(t, withKeys(t, motefs(t, append(with("mirror", "--store", filepath.Join(t.TempDir(), "work")), s.URL())...), "id", "secret"))
	if status := p.Wait(); status != exitOK {
		t.Fatalf("status %d: %s", status, p)
	}
	m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	t.Cleanup(m.clear)
	read := func() {
		t.Helper()
		if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(7)); got != string(src.Body(7)) {
			t.Errorf("it reads %q", got)
		}
	}
	mount := func(store string) *process.Process {
		return process.Start(t, withKeys(t, motefs(t, append(with("mount", "--store", store), m.dir)...), "id", "secret"))
	}
	for _, away := range []bool{false, true} {
		if away {
			bucket.Close()
		}
		p := mount(m.store)
		p.Says("serving")
		read()
		if away {
			eventually.True(t, "the status says that the object store is away", func() bool {
				return strings.Contains(finish(t, exitOK, "status", m.dir).Stdout.String(), "the object store is away: ")
			})
		} else if out := finish(t, exitOK, "status", m.dir).Stdout.String(); strings.Contains(out, "away") {
			t.Errorf("with its object store there the status is %s", out)
		}
		finish(t, exitOK, "unmount", m.dir)
		if status := p.Wait(); status != exitOK {
			t.Errorf("status %d: %s", status, p)
		}
	}
	p = mount(filepath.Join(t.TempDir(), "new"))
	if status := p.Wait(); status == exitOK {
		t.Errorf("with nothing here it ends well: %s", p)
	}
}

// TestMountStartsWithoutItsFolder mounts a mirror in a folder once more while its filesystem is not mounted:
// what was brought is served, nothing is made in its place, and once it is there the rest comes.
func TestMountStartsWithoutItsFolder(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 3000, FilesPerDir: 1000})
	s := serveTest(t, serve.Options{}, src)
	at := t.TempDir()
	folder, away := filepath.Join(at, "folder"), filepath.Join(at, "away")
	url := "file://" + folder
	finish(t, exitOK, "mirror", "--segments", url, "--segment-names", "1000", "--store", filepath.Join(t.TempDir(), "work"), s.URL())
	m := startSegments(t, url)
	read := func(k int64) {
		t.Helper()
		if got := shell(t, `cat "$1/$2"`, m.dir, src.Name(k)); got != string(src.Body(k)) {
			t.Errorf("file %d reads %q", k, got)
		}
	}
	read(7)
	shell(t, `find "$1" | wc -l`, m.dir) // all names come
	m.stop()
	later := int64(1007)
	for _, empty := range []bool{false, true} {
		if err := os.Rename(folder, away); err != nil {
			t.Fatal(err)
		}
		if empty {
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		again := process.Start(t, motefs(t, "mount", "--store", m.store, "--segments", url, m.dir))
		again.Says("serving")
		read(7)
		if names, err := os.ReadDir(folder); err == nil != empty || len(names) > 0 {
			t.Errorf("where the folder was is %v, %v", names, err)
		}
		if err := errors.Join(os.RemoveAll(folder), os.Rename(away, folder)); err != nil {
			t.Fatal(err)
		}
		read(later)
		later += 1000
		finish(t, exitOK, "unmount", m.dir)
		if status := again.Wait(); status != exitOK {
			t.Errorf("status %d: %s", status, again)
		}
	}
}

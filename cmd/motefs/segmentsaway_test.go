package main

import (
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
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

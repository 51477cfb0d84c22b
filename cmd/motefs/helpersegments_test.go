package main

import (
	"path/filepath"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestMountByTypeOfSegments mounts a mirror in segments by a line of fstab: its source is that URL,
// or none.
func TestMountByTypeOfSegments(t *testing.T) {
	t.Parallel()
	if !withHelper(t) {
		return
	}
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 100})
	s := serveTest(t, serve.Options{}, src)
	folder := "file://" + filepath.Join(t.TempDir(), "objects")
	finish(t, exitOK, "mirror", "--segments", folder, "--store", filepath.Join(t.TempDir(), "worker"), s.URL())
	for _, source := range []string{folder, "none"} {
		b := newBackground(t)
		fstab(t, source+" "+b.dir+" motefs segments="+folder+",cache_size=1M,store="+b.store+",log_file="+b.log+" 0 0")
		mount8(t, 0, "", b.dir)
		if got := shell(t, `cat "$1/$2"`, b.dir, src.Name(7)); got != string(src.Body(7)) {
			t.Errorf("it reads %q", got)
		}
		process.MustRun(t, "umount", b.dir)
		b.gone()
	}
	mount8(t, mountUsage, "in fstab it is none, or the same URL", "-t", "motefs", "-o", "segments="+folder, s.URL(), t.TempDir())
}

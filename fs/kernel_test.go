package fs

import (
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestDirectoryCacheOfBrokenKernels(t *testing.T) {
	for release, broken := range map[string]bool{
		"": false, "x": false, "6": false, "5.15.0-91-generic": false, "6.1.0-18-amd64": false, "6.8.12": false,
		"6.9.0": true, "6.10.3-arch1-1": true, "6.12.41+deb13-amd64": true, "6.12-rc1": true, "6.13": false, "6.18.44": false, "16.9": false, "7.9.1": false,
	} {
		if dirCacheBroken(release) != broken {
			t.Errorf("%q: not %v", release, broken)
		}
	}
	if kernelRelease() == "" {
		t.Error("no release")
	}
	store := newFakeStore()
	store.complete.Store(true)
	for _, broken := range []bool{false, true} {
		f := &fsys{store: store, noDirCache: broken}
		want := fuse.ENOSYS
		if broken {
			want = fuse.OK
		}
		if got := f.OpenDir(nil, nil, nil); got != want {
			t.Errorf("broken %v: OPENDIR gets %v", broken, got)
		}
	}
}

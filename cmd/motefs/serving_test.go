package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestNginxServesTheMount has nginx send every file of the mount by sendfile(2).
func TestNginxServesTheMount(t *testing.T) {
	t.Parallel()
	tree, s := serveTree(t, serve.Options{})
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	base := startNginx(t, t.TempDir(), "location / { root "+m.dir+"; sendfile on; }")
	var names []string
	if err := filepath.WalkDir(tree, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, tree+"/"))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		want, err := os.ReadFile(filepath.Join(tree, name))
		if err != nil {
			t.Fatal(err)
		}
		body, res := get(t, base, name, "")
		if res.StatusCode != http.StatusOK || !bytes.Equal(body, want) {
			t.Errorf("%q: %s, %d bytes, want %d", name, res.Status, len(body), len(want))
		}
	}
	if body, res := get(t, base, "large/five megabytes", "bytes=1000001-1000016"); res.StatusCode != http.StatusPartialContent || string(body) != "123456789abcdef0" {
		t.Errorf("a range: %s, %q", res.Status, body)
	}
	if _, res := get(t, base, "nothing", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not there: %s", res.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	m.stop()
}

func get(t *testing.T, base, name, byteRange string) ([]byte, *http.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/"+(&url.URL{Path: name}).EscapedPath(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body, res
}

const handleProgram = `
import ctypes, errno, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
step, mnt, kept, name, want = sys.argv[1:]
root = os.open(mnt, os.O_RDONLY | os.O_DIRECTORY)
if step == "take":
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 8 + 128)
    assert libc.name_to_handle_at(root, name.encode(), handle, ctypes.byref(ctypes.c_int()), 0) == 0, os.strerror(ctypes.get_errno())
    open(kept, "wb").write(handle.raw)
fd = libc.open_by_handle_at(root, ctypes.create_string_buffer(open(kept, "rb").read()), os.O_RDONLY)
if step == "again" and fd < 0 and ctypes.get_errno() == errno.ESTALE:
    sys.exit()
assert fd >= 0, os.strerror(ctypes.get_errno())
assert os.read(fd, 100) == want.encode()
`

// TestFileHandles opens a file by a handle and without its name, as the kernel's
// NFS server does. A handle from before a restart opens the same file or none.
func TestFileHandles(t *testing.T) {
	t.Parallel()
	_, s := serveTree(t, serve.Options{})
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	kept := filepath.Join(t.TempDir(), "handle")
	python(t, handleProgram, "take", m.dir, kept, "a", "a file")
	m.stop()
	again := m.again(s.URL())
	python(t, handleProgram, "again", again.dir, kept, "a", "a file")
	again.stop()
}

// TestNFSExport exports the mount by the kernel's NFS server to this machine,
// where there is such a server.
func TestNFSExport(t *testing.T) {
	fusetest.Need(t)
	_ = exec.Command("modprobe", "nfsd").Run() // built in, or not to be had: the next line sees
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(filesystems), "\tnfsd\n") {
		t.Skip("this kernel has no NFS server: there is no nfsd in /proc/filesystems, also after modprobe nfsd")
	}
	const exporter = "exportfs" //nolint:misspell // its name
	for _, p := range []string{exporter, "rpc.nfsd", "rpc.mountd", "mount.nfs4"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("there is no %s: install nfs-kernel-server and nfs-common to try an NFS export", p)
		}
	}
	if out, err := process.Run(t, exporter, "-v"); err != nil || out != "" {
		t.Skipf("this machine exports directories of its own, which a test leaves alone: %s %v", out, err)
	}
	tree, s := serveTree(t, serve.Options{})
	m := startMount(t, s.URL(), "--prefetch-all")
	m.Logs("mirror is complete")
	export, mnt := "127.0.0.1:"+m.dir, t.TempDir()
	t.Cleanup(func() {
		_, _ = process.Run(t, "umount", "-l", mnt)
		_, _ = process.Run(t, exporter, "-u", export)
		_, _ = process.Run(t, "rpc.nfsd", "0")
	})
	process.MustRun(t, exporter, "-o", "ro,fsid=4711,no_root_squash,no_subtree_check,insecure", export)
	process.MustRun(t, "rpc.nfsd", "--host", "127.0.0.1", "1")
	process.MustRun(t, "mount.nfs4", "-o", "ro", export, mnt)
	process.MustRun(t, "diff", "-r", tree, mnt)
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestLookupsStayInTheMount asks for names that lead out of a directory once
// somebody decodes or cleans them.
func TestLookupsStayInTheMount(t *testing.T) {
	top := t.TempDir()
	tree := filepath.Join(top, "tree")
	if err := os.MkdirAll(filepath.Join(tree, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(top, "secret"), []byte("secret"))
	write(t, filepath.Join(tree, "dir", "file"), []byte("file"))
	write(t, filepath.Join(tree, "%%x"), []byte("of %%x"))
	write(t, filepath.Join(tree, "..%2fsecret"), []byte("of ..%2fsecret"))
	src, err := serve.OpenTree(tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	for _, latency := range []time.Duration{0, time.Hour} { // the listing is complete, or never ends
		s := serveTest(t, serve.Options{PageSize: 1}, src)
		s.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
			if marker == "" {
				return origintest.Fault{}
			}
			return origintest.Fault{Delay: latency}
		}})
		m := startMount(t, s.URL())
		if latency == 0 {
			m.Logs("every name is listed")
		}
		python(t, `
import os, sys
mnt = sys.argv[1]
for name, want in [("%%%25%25x", "of %%x"), ("..%2fsecret", "of ..%2fsecret")]:
    assert open(os.path.join(mnt, name)).read() == want, name
for name in ["..%2f", "..%2F", "..%252fsecret", "%2e%2e", "%2e%2e%2fsecret", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%%", "%%.", "%%..",
        "%%/secret", "%%../secret", "%%..%%../secret", "%%%2f", "%%%2e%2e", "%%%00", "%00", "%%x", "%%%%x", "%%%", "%", "%zz", "..;", "...", ".. ",
        "..\\secret", "%%_", "%%%_", "%c0%ae%c0%ae", "dir%2ffile", "dir%2f..%2f..%2fsecret", "%%" + "x" * 252 + "%", "?next-marker=", "#", "list", "../get/secret"]:
    path = mnt + "/" + name
    try:
        got = open(path, "rb").read()
        sys.exit("%r holds %r" % (name, got))
    except FileNotFoundError:
        pass
for name in ["../secret", "dir/../../secret", "..", "dir/../.."]:
    real = os.path.realpath(mnt + "/" + name) # the kernel's own .., which is not the mount's
    assert not real.startswith(mnt + "/"), real
`, m.dir)
		m.stop()
	}
}

// TestLongPaths asks for names and paths that are too long, and just short enough.
func TestLongPaths(t *testing.T) {
	_, s := serveTree(t, serve.Options{})
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	python(t, `
import errno, os, sys
mnt = sys.argv[1]
os.chdir(mnt)
def fails(path, want):
    for call in os.stat, os.listdir, open:
        try:
            call(path)
        except OSError as err:
            assert err.errno == want, (call, path[:20], err)
        else:
            sys.exit("%s of %r... works" % (call, path[:20]))
fails("x" * 255, errno.ENOENT)
fails("x" * 256, errno.ENAMETOOLONG)
fails("x" * 4000, errno.ENAMETOOLONG)
fails("small/" + "x" * 256, errno.ENAMETOOLONG)
fails(b"\xff" * 256, errno.ENAMETOOLONG)
long = "./" * 2047 + "a" # 4,095 bytes, which is the most
assert open(long).read() == "a file"
fails("/" + long, errno.ENAMETOOLONG)
fails("n" * 254, errno.ENOENT)
assert open("n" * 255).read() == "a long name"
fails("a/b", errno.ENOTDIR)
`, m.dir)
	m.stop()
}

// TestOddReads reads outside of a file.
func TestOddReads(t *testing.T) {
	tree, s := serveTree(t, serve.Options{})
	m := startMount(t, s.URL())
	m.Logs("every name is listed")
	python(t, `
import errno, os, sys
tree, mnt = sys.argv[1:]
def fails(want, call, *args):
    try:
        got = call(*args)
    except OSError as err:
        assert err.errno == want, (call, args, err)
    else:
        sys.exit("%s%r is %r" % (call, args, got))
for name in ["a", "empty", "exactly the inline limit", "one byte more", "large/five megabytes"]:
    want = open(os.path.join(tree, name), "rb").read()
    size = len(want)
    for flags in os.O_RDONLY, os.O_RDONLY | os.O_DIRECT:
        fd = os.open(os.path.join(mnt, name), flags)
        for off in 0, 1, size - 1, size // 2, size - 4097:
            if off >= 0:
                assert os.pread(fd, size + 10000, off) == want[off:], (name, off)
        for off in size, size + 1, size + 4096, (size | 4095) + 1, 1 << 32, 1 << 40, (1 << 63) - 4097:
            assert os.pread(fd, 100, off) == b"", (name, off)
        fails(errno.EINVAL, os.pread, fd, 10, -1)
        fails(errno.EINVAL, os.pread, fd, 10, -(1 << 63))
        fails(errno.EINVAL, os.lseek, fd, -1, os.SEEK_SET)
        fails(errno.EINVAL, os.lseek, fd, -size - 1, os.SEEK_END)
        assert os.lseek(fd, 0, os.SEEK_END) == size
        assert os.lseek(fd, 10, os.SEEK_END) == size + 10 and os.read(fd, 10) == b""
        fails(errno.ENXIO, os.lseek, fd, size, os.SEEK_DATA)
        if size:
            assert os.lseek(fd, 0, os.SEEK_DATA) == 0 and os.lseek(fd, 0, os.SEEK_HOLE) == size
        fails(errno.EBADF, os.pwrite, fd, b"x", 0)
        os.close(fd)
    fails(errno.EROFS, os.open, os.path.join(mnt, name), os.O_RDWR)
    fails(errno.EROFS, os.truncate, os.path.join(mnt, name), 0)
fails(errno.EISDIR, os.read, os.open(mnt, os.O_RDONLY), 10)
`, tree, m.dir)
	m.stop()
}

// cookieProgram reads directories by getdents64(2) from places of its own choice.
const cookieProgram = `
import ctypes, errno, os, random, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
mnt = sys.argv[1]
random.seed(int(sys.argv[2]))
buf = ctypes.create_string_buffer(4096)
def entries(fd):
    while True:
        n = libc.getdents64(fd, buf, len(buf))
        assert n >= 0, os.strerror(ctypes.get_errno())
        if n == 0:
            return
        at = 0
        while at < n:
            ino, off, length = struct.unpack_from("=QqH", buf.raw, at)
            yield off, buf.raw[at + 19:at + length].split(b"\0")[0]
            at += length
for path in [mnt] + [os.path.join(mnt, d) for d in sorted(os.listdir(mnt)) if d[0] == "d"]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    every = list(entries(fd))
    offs = [off for off, _ in every]
    assert len(every) == len(set(name for _, name in every)) == len(set(offs)), path
    assert offs == sorted(offs), path
    if path != mnt:
        assert len(every) == 42, (path, len(every))
    odd = [0, 1, 2, 3, 15, offs[-1] - 1, offs[-1], offs[-1] + 1, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1]
    odd += [random.randrange(offs[-1] + 2) for _ in range(50)] + [random.getrandbits(63) for _ in range(10)] + offs
    for off in odd:
        assert os.lseek(fd, off, os.SEEK_SET) == off
        got, want = list(entries(fd)), [e for e in every if e[0] > off]
        assert got == want, (path, off, got[:3], want[:3])
    for off in -1, -2, -(1 << 63):
        try:
            os.lseek(fd, off, os.SEEK_SET)
            sys.exit("a seek to %d works" % off)
        except OSError as err:
            assert err.errno == errno.EINVAL, err
    os.close(fd)
`

// TestOddCookies goes on reading directories at cookies that were never given out:
// that continues with the first entry after it. While the listing grows motefs is
// asked each time; once it is complete, only for what the kernel does not find in
// its own cache of the directory.
func TestOddCookies(t *testing.T) {
	t.Parallel()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 400, FilesPerDir: 40, Shuffle: true})
	s := serveTest(t, serve.Options{PageSize: 400}, src)
	complete := startMount(t, s.URL())
	complete.Logs("every name is listed")
	python(t, cookieProgram, complete.dir, "1")
	complete.stop()

	// A second page, which does not come, keeps the listing growing.
	more := serve.NewSynthetic(serve.SyntheticOptions{Files: 401, FilesPerDir: 40})
	s = serveTest(t, serve.Options{PageSize: 400}, more)
	s.SetFaults(origintest.Faults{OnList: func(marker string, _ int) origintest.Fault {
		if marker == "" {
			return origintest.Fault{}
		}
		return origintest.Fault{Mode: origintest.Hang}
	}})
	growing := startMount(t, s.URL())
	shell(t, `until [ "$(ls "$1"/d000009 2>/dev/null | wc -l)" = 40 ]; do sleep 0.01; done`, growing.dir)
	python(t, cookieProgram, growing.dir, "2")
	growing.stop()
	if text := complete.Stderr.String() + growing.Stderr.String(); strings.Contains(text, "panic") {
		t.Errorf("a handler panicked:\n%s", text)
	}
}

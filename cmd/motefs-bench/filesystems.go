package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/motefs/motefs/cmd/internal/child"
)

// filesystem is one that is measured.
type filesystem struct {
	name  string
	needs []program
	// cold drops the page cache before each run, where that is allowed.
	cold bool
	// prepare makes what it shows, once, and says what stands for {dir} and {url}.
	prepare func(ctx context.Context, b *bench, set fileset) (words []string, err error)
	// command mounts it at {mnt}; "": its files are in {dir}.
	command string
	// silent ones do not say that they are serving: the kernel's table does.
	silent bool
}

// serving is what a mount says once it can be used.
const serving = "serving"

var (
	// floorOf is go-fuse with nothing behind it.
	floorOf = &filesystem{name: "no-op go-fuse", prepare: prepareNothing, command: "{self} " + playFloor + " {files} {mnt}"}

	// The store of warm is in the page cache.
	warm = &filesystem{name: "motefs mount", prepare: prepareStore, command: motefsMount}
	cold = &filesystem{name: "motefs mount, store on disk", prepare: prepareStore, command: motefsMount, cold: true}

	// A mirror in segments, all of which is on the local disk by now and in the page cache.
	replica = &filesystem{
		name: "motefs mount --segments", prepare: prepareReplica, command: replicaMount,
	}
	coldReplica = &filesystem{
		name: "motefs mount --segments, store on disk", prepare: prepareReplica, command: replicaMount, cold: true,
	}

	storeFile = &filesystem{name: "the store's file itself", prepare: prepareStore, cold: true}

	// The programs that mount what a web server lists.
	rcloneMount = &filesystem{
		name: "rclone mount", needs: []program{nginxProgram, rcloneProgram}, prepare: prepareIndex, silent: true,
		command: "rclone mount --config /dev/null --read-only --vfs-cache-mode full --cache-dir {cache} --dir-cache-time 24h " +
			"--attr-timeout 24h --vfs-cache-max-age 24h --checkers {transfers} --http-url {url}/ :http: {mnt}",
	}
	// Its own check of ranges ends httpdirfs at the first file, though nginx has
	// them.
	httpdirfsMount = &filesystem{
		name: "httpdirfs", needs: []program{nginxProgram, httpdirfsProgram}, prepare: prepareIndex, silent: true,
		command: "httpdirfs -f --no-range-check --cache --cache-location {cache} --max-conns {transfers} {url}/ {mnt}",
	}
)

const (
	motefsMount  = "{motefs} mount --store {dir} {url} {mnt}"
	replicaMount = "{motefs} mount --segments {segments} --store {dir} {mnt}"
)

// trial is one run of one row.
type trial struct {
	mountRow
	b       *bench
	scratch string // a directory of its own
	words   []string
	cold    bool
}

// mounted is a filesystem while it is there to be read, by other processes.
type mounted struct {
	*child.Process // nil: none
	dir            string
	ready          time.Duration // from the start until it could be used
}

// with opens a filesystem, freshly mounted, for as long as use runs.
func (t *trial) with(ctx context.Context, use func(m mounted) ([]float64, error)) (figures []float64, err error) {
	if t.cold {
		if err := t.b.drop(); err != nil {
			return nil, err
		}
	}
	if t.on.command == "" {
		return use(mounted{dir: t.b.expand("{dir}", t.words...)[0]})
	}
	mnt, kept := filepath.Join(t.scratch, "mnt"), filepath.Join(t.scratch, "cache")
	if err := errors.Join(os.MkdirAll(mnt, 0o755), os.MkdirAll(kept, 0o755)); err != nil {
		return nil, err
	}
	words := append([]string{"{mnt}", mnt, "{cache}", kept, "{files}", fmt.Sprint(t.set.files)}, t.words...)
	m, err := mount(ctx, mnt, t.on.silent, t.b.expand(t.on.command, words...))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.unmount()) }()
	return use(m)
}

// mount starts a filesystem and waits until it can be used.
func mount(ctx context.Context, mnt string, silent bool, argv []string) (m mounted, err error) {
	start := time.Now()
	p, err := child.Start("", argv...)
	if err != nil {
		return m, err
	}
	err = p.Await(ctx, func() bool {
		if !silent {
			return strings.Contains(p.Output(), serving)
		}
		mounted, err := mountedBelow(mnt)
		return err == nil && mounted
	})
	m = mounted{p, mnt, time.Since(start)}
	if err != nil {
		err = errors.Join(fmt.Errorf("start %s: %w", argv[0], err), m.unmount())
	}
	return m, err
}

// unmount ends a filesystem, and its mount where that is left.
func (m mounted) unmount() error {
	m.Stop()
	left, err := mountedBelow(m.dir)
	if err != nil || !left || unix.Unmount(m.dir, unix.MNT_DETACH) == nil {
		return err
	}
	if out, err := exec.Command("fusermount3", "-uz", m.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("unmount %s: %w: %s", m.dir, err, out)
	}
	return nil
}

// mountedBelow reports whether there is a mountpoint that is dir or in it. It reads
// the kernel's table, proc_pid_mountinfo(5), and so never waits for a filesystem.
func mountedBelow(dir string) (bool, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	at := " " + escapeMount.Replace(dir)
	return strings.Contains(string(table), at+" ") || strings.Contains(string(table), at+"/"), err
}

var escapeMount = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)

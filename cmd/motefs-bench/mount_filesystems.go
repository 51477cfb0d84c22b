package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// mountable is a filesystem that is measured.
type mountable struct {
	name  string
	needs []program
	// cold drops the page cache before each run, where that is allowed.
	cold bool
	// reached is whether its files come over HTTP at the first time.
	reached bool
	// prepare makes what it shows, once.
	prepare func(ctx context.Context, b *mountBench, set fileset) error
	// spec is how it is mounted; nil: prepare's directory is all.
	spec func(b *mountBench, set fileset, mountpoint string) (mountSpec, error)
}

// opened is a filesystem that is ready to be read, by other processes.
type opened struct {
	dir     string
	process *mountProcess // nil: there is none
}

// with opens a filesystem, freshly mounted, for as long as use runs.
func (b *mountBench) with(ctx context.Context, m *mountable, set fileset, use func(o opened) error) (err error) {
	if m.cold {
		if err := b.drop(); err != nil {
			return err
		}
	}
	if m.spec == nil {
		return use(opened{dir: b.trees[set]})
	}
	b.numbered++
	scratch := filepath.Join(b.dir, fmt.Sprintf("mount-%d", b.numbered))
	mountpoint := filepath.Join(scratch, "mnt")
	spec, err := m.spec(b, set, mountpoint)
	if err != nil {
		return err
	}
	p, err := startMount(ctx, spec)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := p.unmount(); stopErr != nil {
			err = errors.Join(err, stopErr) // and what is mounted is not removed
			return
		}
		err = errors.Join(err, os.RemoveAll(scratch))
	}()
	return use(opened{dir: mountpoint, process: p})
}

func noPreparation(context.Context, *mountBench, fileset) error { return nil }

func prepareStore(ctx context.Context, b *mountBench, set fileset) error {
	_, err := b.storeOf(ctx, set)
	return err
}

func prepareTree(ctx context.Context, b *mountBench, set fileset) error {
	_, err := b.treeOf(ctx, set)
	return err
}

// floorOf is go-fuse with nothing behind it.
var floorOf = &mountable{
	name: "no-op go-fuse", prepare: noPreparation,
	spec: func(b *mountBench, set fileset, mountpoint string) (mountSpec, error) {
		argv := []string{b.self, "floor", "-files", strconv.FormatInt(set.files, 10), mountpoint}
		return mountSpec{argv: argv, mountpoint: mountpoint}, nil
	},
}

// motefsMount is motefs; its store is in the page cache unless cold.
func motefsMount(name string, cold bool) *mountable {
	return &mountable{
		name: name, cold: cold, prepare: prepareStore,
		spec: func(b *mountBench, set fileset, mountpoint string) (mountSpec, error) {
			s := b.stores[set]
			argv := []string{b.motefs, "mount", "--store", s.dir, s.origin, mountpoint}
			return mountSpec{argv: argv, mountpoint: mountpoint}, nil
		},
	}
}

// onDisk is a directory with the files, on the filesystem that the stores are on.
func onDisk(b *mountBench) *mountable {
	return &mountable{name: filesystem(b.dir), cold: true, prepare: prepareTree}
}

// The programs that mount what a web server lists. Each asks nginx.
var rcloneMount = &mountable{
	name: "rclone mount", reached: true, prepare: prepareIndex,
	needs: []program{nginxProgram, rcloneProgram},
	spec: func(b *mountBench, set fileset, mountpoint string) (mountSpec, error) {
		path, err := rcloneProgram.find()
		argv := []string{path, "mount", "--config", "/dev/null", "--read-only", "--vfs-cache-mode", "full",
			"--cache-dir", mountpoint + ".cache", "--dir-cache-time", "24h", "--attr-timeout", "24h", "--vfs-cache-max-age", "24h",
			"--checkers", atATime, "--http-url", b.servers[set].url + "/", ":http:", mountpoint}
		return mountSpec{argv: argv, mountpoint: mountpoint, silent: true}, err
	},
}

var httpdirfsMount = &mountable{
	name: "httpdirfs", reached: true, prepare: prepareIndex,
	needs: []program{nginxProgram, httpdirfsProgram},
	spec: func(b *mountBench, set fileset, mountpoint string) (mountSpec, error) {
		path, err := httpdirfsProgram.find()
		if err == nil {
			err = os.MkdirAll(mountpoint+".cache", 0o755)
		}
		// Its own check of ranges ends it at the first file, though nginx has them.
		argv := []string{path, "-f", "--no-range-check", "--cache", "--cache-location", mountpoint + ".cache", "--max-conns", atATime,
			b.servers[set].url + "/", mountpoint}
		return mountSpec{argv: argv, mountpoint: mountpoint, silent: true}, err
	},
}

var httpdirfsProgram = program{label: "httpdirfs", paths: []string{"httpdirfs"}, pkg: "httpdirfs", version: "--version"}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/mirror"
	"github.com/spf13/cobra"
)

func demoCommand(a *app) *cobra.Command {
	files, cluster := 1_000_000, false
	cmd := &cobra.Command{
		Use:   "demo [flags]",
		Short: "Show the main job: an origin, a mount, a mirror, reads",
		Long: "Start an origin of made-up files on this machine, mount it, mirror all of it,\n" +
			"read the mount with ls and cat meanwhile, say how fast it was, and unmount.\n" +
			"Everything is in a temporary directory and is removed at the end.\n\n" +
			"With --cluster three processes make the mirror together, in a folder that takes\n" +
			"the place of an object store; one of them is killed on the way.",
		Example: "  motefs demo --files 100000\n  motefs demo --cluster",
		Args:    operands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if files < 1 {
				return usagef("--files %d: give a positive number", files)
			}
			return a.demo(cmd.Context(), files, cluster)
		},
	}
	a.registerLogFile(cmd.Flags())
	cmd.Flags().IntVar(&files, "files", files, "`number` of files")
	cmd.Flags().BoolVar(&cluster, "cluster", false, "show how several processes make one mirror")
	return cmd
}

func (a *app) demo(ctx context.Context, files int, cluster bool) (err error) {
	if err := a.openLog(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "motefs-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	mountpoint := filepath.Join(dir, "mnt")
	if err := os.Mkdir(mountpoint, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := fs.CheckMountpoint(mountpoint, filepath.Join(dir, "store")); err != nil {
		return err
	}
	url, stopOrigin, err := startOrigin(files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopOrigin()) }()
	a.say("an origin with %s files is at %s", count(uint64(files)), url)
	if cluster {
		return a.demoCluster(ctx, files, url, dir, mountpoint)
	}
	return a.demoMount(ctx, url, filepath.Join(dir, "store"), mountpoint)
}

func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stdout, "demo: "+format+"\n", args...)
}

// startOrigin runs `motefs serve` in a process of its own, so that what this one
// uses is the client's alone.
func startOrigin(files int) (url string, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("demo: %w", err)
	}
	cmd := exec.Command(self, "serve", "--config", os.DevNull, "--listen", "127.0.0.1:0", "--synthetic", fmt.Sprint(files), "--compressible") //nolint:gosec // this program itself
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stderr = os.Stderr
	endWithUs(cmd)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, fmt.Errorf("demo: start the origin: %w", err)
	}
	stop = func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("demo: stop the origin: %w", err)
		}
		return cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, rest, ok := strings.Cut(line, "origin at ")
	if err != nil || !ok {
		return "", nil, errors.Join(fmt.Errorf("demo: the origin did not start: %q: %w", line, err), stop())
	}
	url, _, _ = strings.Cut(rest, ";")
	return url, stop, nil
}

// withoutSettings is an environment without what it says to motefs.
func withoutSettings(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, config.Prefix) })
}

func (a *app) demoMount(ctx context.Context, url, store, mountpoint string) (err error) {
	id, err := originID(url)
	if err != nil {
		return err
	}
	on := screen.New(a.console)
	log, err := a.logger(on)
	if err != nil {
		return err
	}
	f := &mountFlags{sourceFlags: sourceFlags{connections: mirror.DefaultConnections, maxFileSize: defaultMaxFileSize}, prefetchAll: true}
	m, err := a.openMounted(ctx, f, id, store, mountpoint, nil, log)
	if err != nil {
		return err
	}
	defer func() {
		a.say("unmounting")
		err = errors.Join(err, m.mount.Close(), m.session.close())
	}()
	a.say("mounted at %s, mirroring all of it", mountpoint)
	before, start := usage(), time.Now()
	m.status.begin()
	progress := a.startProgress(on, log, m.status.Source)
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- m.run(runCtx) }()
	meanwhile := a.demoMeanwhile(ctx, on, m.store, mountpoint)
	err = <-done
	took, after := time.Since(start), usage()
	progress.Stop()
	if err = errors.Join(err, meanwhile); err != nil {
		return err
	}
	return a.demoResult(ctx, m.store, mountpoint, took, before, after)
}

// demoMeanwhile reads the mount while the mirror runs.
func (a *app) demoMeanwhile(ctx context.Context, on *screen.Screen, store *cache.Store, mountpoint string) error {
	for store.Progress().Files == 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	if err := a.show(ctx, on, mountpoint, "ls -U | head -n 3"); err != nil {
		return err
	}
	if err := a.show(ctx, on, mountpoint, `cat "$(ls -U | head -n 1)"`); err != nil {
		return err
	}
	a.say("%s of the files are here by now", count(store.Progress().Fetched))
	return nil
}

func (a *app) demoResult(ctx context.Context, store *cache.Store, mountpoint string, took time.Duration, before, after resources) error {
	p := store.Progress()
	if err := a.show(ctx, screen.New(a.console), mountpoint, "ls -U | wc -l"); err != nil {
		return err
	}
	a.say("%s files in %s: %s files/s, %.1f µs of CPU a file for mirror and mount, %s of memory at most",
		count(p.Fetched), took.Round(10*time.Millisecond), count(uint64(float64(p.Fetched)/took.Seconds())),
		float64((after.cpu-before.cpu).Microseconds())/float64(max(p.Fetched, 1)), bytesText(float64(after.peak)))
	if !p.Complete() {
		return fmt.Errorf("%w: %d of %d", errFailedFiles, p.Failed, p.Files)
	}
	return nil
}

// show runs a shell command in dir and prints it with what it says.
func (a *app) show(ctx context.Context, on *screen.Screen, dir, command string) error {
	// The process that serves a mount must not have it as its working
	// directory, nor read it: a child does.
	cmd := exec.CommandContext(ctx, "sh", "-c", "cd \"$1\" && "+command, "sh", dir) //nolint:gosec // the commands stand in this file
	out, err := cmd.CombinedOutput()
	on.Live(nil) // it comes again with the next progress
	a.say("$ %s\n%s", command, strings.TrimSuffix(string(out), "\n"))
	if err != nil {
		return fmt.Errorf("demo: %s: %w", command, err)
	}
	return nil
}

// resources is what this process has used.
type resources struct {
	cpu  time.Duration
	peak int64 // bytes
}

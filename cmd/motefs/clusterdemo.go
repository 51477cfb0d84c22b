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

	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/mirror/cluster"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

// demoProcesses is how many processes share the work, and demoPieces of how many segments at least
// that is.
const demoProcesses, demoPieces = 3, 30

// demoCluster shows a mirror that several processes make, of which one is killed, and that is
// mounted from a folder that takes the place of an object store.
func (a *app) demoCluster(ctx context.Context, files int, url, dir, mountpoint string) (err error) {
	on := screen.New(a.console)
	log, err := a.logger(on)
	if err != nil {
		return err
	}
	server, err := natsbus.Embedded(natsbus.EmbeddedOptions{Dir: filepath.Join(dir, "nats"), Listen: "127.0.0.1:0", Log: log})
	if err != nil {
		return fmt.Errorf("demo: start NATS: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	f := &mountFlags{segments: segmentsFlags{url: "file://" + filepath.Join(dir, "objects"), pathStyle: "auto"}, prefetchAll: false}
	a.say("NATS is at %s, the object store is %s", server.URL(), f.segments.url)
	start := time.Now()
	var others []*demoProcess
	defer func() {
		for _, p := range others {
			p.end()
		}
	}()
	for i := range demoProcesses {
		p, err := startMirror(filepath.Join(dir, fmt.Sprint("process", i+1)), files, f.segments.url, server.URL(), url)
		if err != nil {
			return err
		}
		others = append(others, p)
	}
	a.say("processes %d, %d and %d mirror, each by: motefs mirror --segments %s --cluster %s %s",
		others[0].cmd.Process.Pid, others[1].cmd.Process.Pid, others[2].cmd.Process.Pid, f.segments.url, server.URL(), url)
	if err := a.demoRun(ctx, f, others, on, log); err != nil {
		return err
	}
	a.say("all files are mirrored, in %s", time.Since(start).Round(10*time.Millisecond))
	return a.demoSegments(ctx, f, files, filepath.Join(dir, "store"), mountpoint, log)
}

// demoRun kills the first process, and waits for the others.
func (a *app) demoRun(ctx context.Context, f *mountFlags, all []*demoProcess, on *screen.Screen, log zerolog.Logger) (err error) {
	store, err := f.segments.open(ctx, nil, true, log)
	if err != nil {
		return err
	}
	defer func() { err = joinClose(err, store) }()
	if err := a.demoKill(ctx, store, all[0]); err != nil {
		return err
	}
	for _, p := range all[1:] {
		if err := a.demoWait(ctx, store, p, on); err != nil {
			return err
		}
		a.say("process %d: %s", p.cmd.Process.Pid, p.last())
	}
	return nil
}

// committed is how many segments are fetched.
func committed(ctx context.Context, store objects.Store) (n int, err error) {
	err = store.List(ctx, segments.CommitsPrefix, "", func(objects.Info) bool { n++; return true })
	return n, err
}

// demoWait waits for the end of a process, and shows on a terminal how far all are.
func (a *app) demoWait(ctx context.Context, store objects.Store, p *demoProcess, on *screen.Screen) error {
	defer on.Live(nil)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-p.done:
			p.done <- err
			return p.wait(ctx)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		n, err := committed(ctx, store)
		if err != nil {
			return err
		}
		on.Live([]string{fmt.Sprintf("demo: %s fetched", counted(uint64(n), "segment"))})
	}
}

// demoKill kills a process once something is committed.
func (a *app) demoKill(ctx context.Context, store objects.Store, p *demoProcess) error {
	for n := 0; n == 0; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-p.done:
			p.done <- err
			a.say("process %d is done before it could be killed: %s", p.cmd.Process.Pid, p.last())
			return err
		case <-time.After(20 * time.Millisecond):
		}
		var err error
		if n, err = committed(ctx, store); err != nil {
			return err
		}
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("demo: kill process %d: %w", p.cmd.Process.Pid, err)
	}
	a.say("process %d is killed; the others notice within 20 s, and fetch what it was at", p.cmd.Process.Pid)
	return nil
}

// demoSegments mounts what the processes have made, and reads it.
func (a *app) demoSegments(ctx context.Context, f *mountFlags, files int, store, mountpoint string, log zerolog.Logger) (err error) {
	id, err := f.segments.identity()
	if err != nil {
		return err
	}
	start := time.Now()
	m, err := a.openMounted(ctx, f, id, store, mountpoint, nil, log)
	if err != nil {
		return err
	}
	defer func() {
		a.say("unmounting")
		err = errors.Join(err, m.mount.Close(), m.session.close())
	}()
	a.say("mounted at %s in %s: motefs mount --segments %s %s", mountpoint, time.Since(start).Round(time.Millisecond), f.segments.url, mountpoint)
	on := screen.New(a.console)
	for _, command := range []string{"ls -U | head -n 3", `cat "$(ls -U | tail -n 1)"`} {
		if err := a.show(ctx, on, mountpoint, command); err != nil {
			return err
		}
	}
	if err := a.show(ctx, on, mountpoint, "ls -U | wc -l"); err != nil {
		return err
	}
	if p := m.store.Progress(); p.Files != uint64(files) || p.Failed+p.Gone > 0 {
		return fmt.Errorf("demo: the mirror has %d files of %d, %d failed and %d gone", p.Files, files, p.Failed, p.Gone)
	}
	return nil
}

// demoProcess is one of the processes that mirror.
type demoProcess struct {
	cmd  *exec.Cmd
	out  *strings.Builder
	done chan error // its end, once
}

// startMirror starts a process that takes part in a mirror.
func startMirror(work string, files int, segments, servers, url string) (*demoProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	p := &demoProcess{out: &strings.Builder{}, done: make(chan error, 1)}
	p.cmd = exec.Command(self, "mirror", "--config", os.DevNull, "--store", work, "--segments", segments, "--cluster", servers, "--segment-names", fmt.Sprint(min(max(files/demoPieces, 100), cluster.SegmentNames)), "--progress", "none", url) //nolint:gosec // this program itself
	p.cmd.Env = withoutSettings(os.Environ())
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	endWithUs(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("demo: start a process: %w", err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// wait waits for an end that is as it should be.
func (p *demoProcess) wait(ctx context.Context) error {
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			return fmt.Errorf("demo: process %d: %s: %w", p.cmd.Process.Pid, p.last(), err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end ends the process, if it has not ended.
func (p *demoProcess) end() {
	_ = p.cmd.Process.Kill() // which fails once it has ended
	p.done <- <-p.done       // however that was
}

// last is the line in which an ended process says what it did.
func (p *demoProcess) last() string {
	select {
	case err := <-p.done:
		p.done <- err
	default:
		return ""
	}
	for line := range strings.Lines(p.out.String()) {
		if strings.Contains(line, " listed, ") {
			return strings.TrimSpace(line)
		}
	}
	return strings.TrimSpace(p.out.String())
}

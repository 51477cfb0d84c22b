package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/daemon"
	"github.com/motefs/motefs/cmd/motefs/internal/journal"
	"github.com/motefs/motefs/cmd/motefs/internal/notify"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// daemonFlags say whether a mount goes on in the background.
type daemonFlags struct {
	daemon, foreground bool
	wait               time.Duration
}

func (f *daemonFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.daemon, "daemon", false, "go on in the background, and return when the mount can be used")
	flags.DurationVar(&f.wait, "daemon-wait", daemon.DefaultWait, "with --daemon: how long that may take")
	flags.BoolVar(&f.foreground, "foreground", false, "stay in the foreground, as is the default")
	inGroup(flags, groupBackground, "daemon", "daemon-wait", "foreground")
}

func (f *daemonFlags) validate() error {
	switch {
	case f.daemon && f.foreground:
		return usagef("--daemon and --foreground: give one of them")
	case f.wait <= 0:
		return usagef("--daemon-wait: give a time such as 1m")
	}
	return nil
}

// absolute has the files that are looked at again outlive the working directory, which a
// daemon leaves.
func (f *mountFlags) absolute() (err error) {
	if f.names != "" {
		f.names, err = filepath.Abs(f.names)
	}
	return err
}

// standardInput are the names of what a daemon has /dev/null for.
var standardInput = []string{"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}

// daemonReads checks that a daemon, which reads its flags and files once more, finds in them
// what this process does. A file of configuration is read by both.
func (f *mountFlags) daemonReads(configFile string) error {
	given := map[string]string{"--config": configFile, "--names": f.names, "--ca-cert": f.caCert}
	for _, h := range f.headers {
		if path, ok := strings.CutPrefix(h, "@"); ok && slices.Contains(standardInput, filepath.Clean(path)) {
			given["--header"] = path
		}
	}
	for _, flag := range slices.Sorted(maps.Keys(given)) {
		if path := given[flag]; path != "" && slices.Contains(standardInput, filepath.Clean(path)) || flag == "--names" && path == "-" {
			return usagef("%s %s: a daemon has no standard input; give a file", flag, path)
		}
	}
	if configFile == "" || filepath.Clean(configFile) == os.DevNull {
		return nil
	}
	if info, err := os.Stat(configFile); err != nil {
		return usagef("--config: %w", err)
	} else if !info.Mode().IsRegular() {
		return usagef("--config %s: a daemon reads it once more, which a pipe does not allow; give a file", configFile)
	}
	return nil
}

// startDaemon has this command go on in a daemon, and returns when that serves.
func (a *app) startDaemon(ctx context.Context, f *mountFlags) error {
	o := daemon.Options{Wait: f.background.wait}
	lost := ""
	if a.logFile != "" {
		file, err := openLogFile(a.logFile)
		if err != nil {
			return err
		}
		defer file.Close()
		o.Output = file
	} else if w, err := journal.Open("motefs", true, plainMessage); err != nil {
		lost = fmt.Sprintf("motefs: the log of the daemon is lost (%v); --log-file keeps it", err)
	} else {
		_ = w.Close() // it was only to see whether there is one
	}
	line, err := daemon.Start(ctx, o)
	if err != nil {
		return err
	}
	if lost != "" {
		printLine(a.stderr, "%s", lost)
	}
	if a.helper == nil || a.helper.Verbose {
		a.tell("%s", line)
	}
	return nil
}

// A store may still be closed by the process whose mount was unmounted a moment ago, by
// umount(8) or an automounter: a daemon looks again every storeRetry, for storeGrace.
const (
	storeGrace = 10 * time.Second
	storeRetry = 50 * time.Millisecond
)

// grace is how long this process waits for a store that another one has.
func (a *app) grace() time.Duration {
	if a.child == nil {
		return 0
	}
	return storeGrace
}

// openStore opens the session's store, for which it waits as long as o says. It is this
// alone that is tried again: a header or a list of names may be a pipe, which is read once.
func (o *sessionOptions) openStore(ctx context.Context, store cache.Options) (*cache.Store, error) {
	for deadline, told := time.Now().Add(o.grace), false; ; told = true {
		s, err := cache.Open(store)
		if !errors.Is(err, cache.ErrInUse) || !time.Now().Before(deadline) {
			return s, err
		}
		if !told {
			o.doing("waiting for the store %s, which is in use", o.dir)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(storeRetry):
		}
	}
}

// end prints err, on one line, to who waits for it, and returns the exit status.
func (a *app) end(err error) int {
	if failure, ok := errors.AsType[*daemon.Failure](err); ok { // which has reported it as below
		printLine(a.stderr, "%s", failure.Line)
		return failure.Status
	}
	if a.helper == nil && a.child == nil {
		return a.reportEnd(err)
	}
	var text strings.Builder
	var status int
	if a.helper != nil {
		status = a.helper.report(&text, err)
	} else {
		status = report(&text, err)
	}
	line := strings.TrimSuffix(text.String(), "\n")
	if line != "" {
		printLine(a.stderr, "%s", line)
	}
	a.child.Failed(line, status)
	return status
}

// doing says what is about to be done, to who waits for a mount or a mirror.
func (a *app) doing(format string, args ...any) {
	text := oneLine(fmt.Sprintf(format, args...))
	a.child.Doing(text)
	a.notify.Status(text)
}

// serves says that the command does what it was asked for.
func (a *app) serves(line string) error {
	if err := a.child.Ready(oneLine(line)); err != nil {
		return err
	}
	a.notify.Ready(line)
	return nil
}

// openNotify finds out whether a service manager wants to know how this goes.
func (a *app) openNotify(log zerolog.Logger) { a.notify = notify.Open(log) }

// withCtrlC is how else than by motefs unmount a mount is ended.
func (a *app) withCtrlC() string {
	if a.child != nil {
		return ""
	}
	return "Ctrl-C or: "
}

// statusLine is one line about a session, for a service manager.
func (s *session) statusLine() string {
	p := s.store.Progress()
	return summary(p, p, 0)
}

// alive reports, for a watchdog, why a session does not do its work.
func (s *session) alive(ctx context.Context) error {
	if s.engine == nil {
		return nil
	}
	return s.engine.Alive(ctx)
}

// alive reports, for a watchdog, why a mount does not do its work.
func (m *mounted) alive(ctx context.Context) error {
	return errors.Join(m.mount.Alive(ctx), m.session.alive(ctx))
}

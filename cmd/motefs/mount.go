package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/config"
	"github.com/motefs/motefs/cmd/motefs/internal/presence"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/mirror"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// mountFlags are the flags of mount beside those of every source.
type mountFlags struct {
	sourceFlags
	prefetchAll bool
	allowOther  bool
	nonEmpty    bool
	exec        bool
	background  daemonFlags
	refresh     follower
	monitor     monitorFlags
	segments    segmentsFlags
	cacheSize   size
	origin      string // with --segments; empty: none is asked
	uid, gid    numericID
	umask       octal
}

func mountCommand(a *app) *cobra.Command {
	f := &mountFlags{}
	cmd := &cobra.Command{
		Use:   "mount [flags] [ORIGIN] MOUNTPOINT",
		Short: "Mount an origin; fetch its files when they are read, or all",
		Long: "Mount an origin as a read-only directory. Names are listed in the background,\n" +
			"and a file that is not in the store is fetched when it is looked up; with\n" +
			"--prefetch-all, all files are. The command stays in the foreground unless\n" +
			"--daemon is given. End it with Ctrl-C, motefs unmount, fusermount3 -u or umount.\n" +
			"While programs use the mount, Ctrl-C says which, and waits for them; pressed\n" +
			"again, it does not.\n\n" +
			"With --segments a mirror is mounted that stands in an object store, in the place\n" +
			"of an origin.",
		Example: "  motefs mount --prefetch-all http://127.0.0.1:8080 /mnt/files\n  motefs mount --segments s3://bucket/mirror /mnt/files",
		Args:    atMost(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			args = a.withoutSource(f, args)
			if err := a.fitMount(cmd, f, args); err != nil {
				return err
			}
			if err := f.validate(cmd); err != nil {
				return err
			}
			if err := f.background.validate(); err != nil {
				return err
			}
			if f.refresh.every < 0 {
				return usagef("--refresh-every %v: give a time such as 1h", f.refresh.every)
			}
			if f.refresh.every == 0 && a.settings.Place(cmd, "refresh") == config.CommandLine {
				return usagef("--refresh goes with --refresh-every, which says how often")
			}
			if err := f.monitor.validate(); err != nil {
				return err
			}
			if f.segments.url != "" {
				return a.mount(cmd.Context(), f, "", args[0])
			}
			if strings.Contains(args[1], "://") && !strings.Contains(args[0], "://") {
				return usagef("ORIGIN comes before MOUNTPOINT: motefs mount [flags] ORIGIN MOUNTPOINT")
			}
			return a.mount(cmd.Context(), f, args[0], args[1])
		},
	}
	f.storeBase = a.storeBase()
	f.register(cmd.Flags())
	f.monitor.register(cmd.Flags())
	f.segments.register(cmd.Flags())
	cmd.Flags().Var(&f.cacheSize, "cache-size", "with --segments: keep at most so many `bytes` of contents on this machine, also with K, M, G; names are always kept; 0: no limit")
	cmd.Flags().StringVar(&f.origin, "origin", "", "with --segments: `URL` of the mirror's origin, from which a file is fetched that no segment has yet; without it there is no such file")
	inGroup(cmd.Flags(), groupSegments, "cache-size", "origin")
	f.background.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.nonEmpty, "allow-non-empty", false, "mount over a directory with files in it, which are hidden meanwhile")
	cmd.Flags().BoolVar(&f.prefetchAll, "prefetch-all", false, "mirror every file in the background")
	cmd.Flags().DurationVar(&f.refresh.every, "refresh-every", 0, "refresh so often, as in 1h: see --refresh; 0: never")
	f.refresh.flags.registerWhat(cmd.Flags(), "what --refresh-every looks at, `names|contents`: names lists the origin again, to fetch what is new and remove what is gone; contents also asks for every file and compares it")
	f.refresh.flags.registerMaxDelete(cmd.Flags())
	cmd.Flags().BoolVar(&f.allowOther, "allow-other", false, "let other users see the files")
	cmd.Flags().BoolVar(&f.exec, "exec", false, "let files be run as programs (mode 0555)")
	cmd.Flags().Var(&f.uid, "uid", "`number` of the user who owns everything (default: who mounts); others get in with --allow-other")
	cmd.Flags().Var(&f.gid, "gid", "`number` of the group that owns everything (default: that of who mounts)")
	f.umask = defaultUmask
	cmd.Flags().Var(&f.umask, "umask", "permissions that nobody has, in `octal`; those to write are always taken, as the mount is read-only")
	a.registerLogFile(cmd.Flags())
	a.output.registerProgress(cmd.Flags())
	inGroup(cmd.Flags(), groupRefresh, "refresh", "refresh-every", "max-delete")
	inGroup(cmd.Flags(), groupOwner, "allow-other", "exec", "uid", "gid", "umask")
	return cmd
}

func (a *app) mount(ctx context.Context, f *mountFlags, raw, mountpoint string) (err error) {
	id, dir, err := f.mounts(raw)
	if err != nil {
		return err
	}
	if err := f.checkMountpoint(mountpoint, dir); err != nil {
		return err
	}
	if err := fs.CheckFUSE(mountpoint, f.allowOther); err != nil {
		return err
	}
	if a.helper != nil && a.helper.Fake {
		return nil
	}
	if f.background.daemon && a.child == nil {
		if err := f.daemonReads(a.settings.File()); err != nil {
			return err
		}
		return a.startDaemon(ctx, f)
	}
	if a.child != nil {
		if err := f.absolute(); err != nil {
			return err
		}
	}
	on, log, err := a.openScreen()
	if err != nil {
		return err
	}
	monitor, err := a.startMonitor(&f.monitor, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, monitor.Close()) }()
	a.openNotify(log)
	procs := newProcs()
	procs.set(servingProcs)
	abs, err := filepath.Abs(mountpoint) // before a daemon leaves the working directory
	if err != nil {
		abs = mountpoint
	}
	m, err := a.openMounted(ctx, f, id, dir, mountpoint, monitor, log)
	if err != nil {
		return err
	}
	if err := presence.Announce(m.mount.Device()); err != nil {
		log.Warn().Err(err).Msg("motefs unmount does not wait for the end of this process")
	}
	line := fmt.Sprintf("serving %s at %s from store %s; unmount with %smotefs unmount %s", id, abs, m.where(), a.withCtrlC(), abs)
	before, start := m.store.Progress(), time.Now()
	m.procs, m.follower = procs, &f.refresh
	m.serves = func() error {
		if err := a.serves(line); err != nil {
			return err
		}
		on.Aside(func() { a.tell("%s", line) })
		return nil
	}
	m.stopping = func() { a.notify.Stopping("unmounting " + abs) }
	defer a.notify.Start(m.statusLine, m.alive)()
	if err := m.serve(ctx, on, f.prefetchAll); err != nil {
		return err
	}
	a.tell("unmounted %s: %s", abs, m.unmountText(before, time.Since(start)))
	return nil
}

// mounted is a session with its mount.
type mounted struct {
	*session
	app      *app
	mount    *fs.Mount
	procs    procs
	follower *follower
	serves   func() error // called once the mount has names to show
	stopping func()       // called before the unmount
}

// checkMountpoint looks at the mountpoint before anything slow begins.
func (f *mountFlags) checkMountpoint(mountpoint, store string) error {
	if err := fs.CheckMountpoint(mountpoint, store); err != nil {
		return err
	}
	if f.nonEmpty {
		return nil
	}
	if err := fs.CheckEmpty(mountpoint); err != nil {
		return fmt.Errorf("%w; give --allow-non-empty if that is right", err)
	}
	return nil
}

func (a *app) openMounted(ctx context.Context, f *mountFlags, id, dir, mountpoint string, monitor *monitored, log zerolog.Logger) (_ *mounted, err error) {
	m := &mounted{app: a}
	ready := make(chan struct{}) // m.mount is set; the mount is there a moment before
	gone := func(parent cache.Inode, name string) {
		select {
		case <-ready:
			m.mount.Invalidate(parent, name)
		default:
		}
	}
	a.doing("opening the store %s", dir)
	o := sessionOptions{
		command: "mount", grace: a.grace(), flags: &f.sourceFlags, id: id, dir: dir, prefetch: f.prefetchAll, keepOld: f.refresh.every > 0, monitor: monitor, everyone: f.othersRead(), doing: a.doing, log: log,
		events: mirror.Events{Gone: gone},
	}
	if f.segments.url != "" {
		m.session, err = openReplica(ctx, o, f)
	} else {
		m.session, err = openSession(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	if f.refresh.every > 0 && m.names != nil && m.names.Once() {
		return nil, errors.Join(errNamesOnce, m.session.close())
	}
	a.doing("mounting on %s", mountpoint)
	// The mount outlives ctx: ending it is what serve does when ctx ends.
	store, contents := m.served()
	mo := fs.Options{
		Mountpoint: mountpoint, StoreDir: dir, Store: store, Contents: contents,
		FsName: a.fsName(id), FilesURL: m.filesURL, AllowOther: f.allowOther, Exec: f.exec, Log: &log,
		Owner: &fs.Owner{UID: f.uid.or(os.Getuid()), GID: f.gid.or(os.Getgid())}, Umask: os.FileMode(f.umask),
	}
	if m.replica != nil {
		mo.Ready = m.replica.Ready
	}
	if m.unlisted != nil {
		mo.NextChange = m.nextSegment
	}
	if f.refresh.every > 0 {
		mo.NextChange, mo.Lease = f.refresh.nextChange, followedLease
	}
	m.mount, err = a.openMount(context.WithoutCancel(ctx), mo)
	if err != nil {
		return nil, errors.Join(err, m.session.close())
	}
	close(ready)
	m.status.Mounted(m.mount.Dir(), m.mount.Stats)
	monitor.mounted(m.mount)
	return m, nil
}

// serve mirrors in the background until the mount is unmounted, by whomever, or
// ctx ends; then it closes everything.
func (m *mounted) serve(ctx context.Context, on *screen.Screen, prefetch bool) error {
	runCtx, stopRun := context.WithCancel(ctx)
	defer stopRun()
	var wg sync.WaitGroup
	if err := m.store.ReadOnly(); err == nil {
		wg.Go(func() {
			if m.keepRunning(runCtx, on, prefetch) && m.follower.every > 0 {
				m.follow(runCtx, on)
			}
		})
	} else {
		m.status.Fail(err)
		m.log.Warn().Err(err).Msg("nothing can be stored, so nothing is listed or fetched; what is in the store is served. Make room, and mount again")
	}
	m.awaitNames(ctx)
	err := m.serves()
	if err == nil {
		m.untilUnmounted(ctx)
	}
	m.stopping()
	// Unmount first: then no reader can meet an engine that is closed.
	if errors.Is(context.Cause(ctx), errCtrlC) {
		m.leave()
	}
	if ctx.Err() != nil {
		m.log.Info().Msg("unmounting; Ctrl-C now ends at once")
	}
	closing := m.mount.Close()
	if errors.Is(closing, fs.ErrBusy) {
		m.log.Warn().Msgf("%v; it is unmounted all the same, and they get errors from now on", closing)
		closing = nil
	}
	err = errors.Join(err, closing)
	stopRun()
	wg.Wait()
	if broken := m.store.BrokenErr(); broken != nil {
		return errors.Join(broken, err, m.status.Close()) // what hangs in it ends with the process
	}
	select {
	case <-m.mount.Done():
		return errors.Join(err, m.session.close())
	default: // requests are still served, from a store that must not be closed under them
		err = errors.Join(err, m.status.Close())
		if m.engine != nil {
			err = errors.Join(err, m.engine.Close())
		}
		return errors.Join(err, m.store.Flush(context.WithoutCancel(ctx)))
	}
}

// namesPatience is how long a mount that has no names yet waits for them before it says
// that it serves.
const namesPatience = 2 * time.Second

// awaitNames waits for the first names of a new store, so that who looks at a mount as soon as it
// is said to serve sees no empty directory.
func (m *mounted) awaitNames(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, namesPatience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p := m.store.Progress(); p.Files == 0 && !p.ListingComplete; p = m.store.Progress() {
		select {
		case <-ctx.Done():
			return
		case <-m.mount.Done():
			return
		case <-m.store.Broken():
			return
		case <-tick.C:
		}
	}
}

// untilUnmounted returns when the mount is gone, or shall go. A store that cannot be
// written any more is served on.
func (m *mounted) untilUnmounted(ctx context.Context) {
	for broken := m.store.Broken(); ; {
		select {
		case <-ctx.Done():
			return
		case <-m.mount.Done():
			return
		case <-broken:
			m.status.Fail(m.store.BrokenErr())
			m.log.Error().Err(m.store.BrokenErr()).Msg("nothing more can be stored; what is in the store is served until it is unmounted")
			broken = nil
		}
	}
}

// tryListingAgain is how long a mount waits before it lists again after an error
// that stopped the listing.
const tryListingAgain = time.Minute

// keepRunning runs the engine until all is here. A mount goes on serving what it
// has whatever becomes of the listing. It reports whether all names are listed.
func (m *mounted) keepRunning(ctx context.Context, on *screen.Screen, prefetch bool) bool {
	for {
		start, before := time.Now(), m.store.Progress()
		m.status.begin()
		progress := m.app.startProgress(on, m.log, m.status.Source)
		if prefetch {
			m.procs.set(mirroringProcs)
		}
		err := m.run(ctx)
		m.procs.set(servingProcs)
		progress.Stop()
		p := m.store.Progress()
		m.status.ended(err, p)
		if ctx.Err() != nil || m.store.BrokenErr() != nil {
			return false
		}
		if err == nil {
			text := "every name is listed"
			if prefetch && p.Complete() {
				text = "the mirror is complete"
			} else if prefetch {
				text = "the mirror is complete but for the files that failed; the next start tries them again"
			}
			m.log.Info().Msg(text + ": " + summary(p, before, time.Since(start)))
			return true
		}
		if errors.Is(err, cache.ErrCorrupt) {
			m.log.Error().Err(err).Msg("the mirror is not complete; what is not damaged is still served")
			return false
		}
		m.log.Error().Err(err).Stringer("again_in", tryListingAgain).
			Msg("the mirror is not complete; what is mirrored is still served")
		select {
		case <-ctx.Done():
			return false
		case <-time.After(tryListingAgain):
		}
	}
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/screen"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/stores"
	"github.com/motefs/motefs/cmd/motefs/internal/text"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// statusFlags are the flags of status.
type statusFlags struct {
	storeFlag
	segments    segmentsFlags
	cluster     clusterFlags
	json, watch bool
}

const (
	// watchEvery is how often --watch asks, and askPatience how long an answer may take.
	watchEvery  = time.Second
	askPatience = 10 * time.Second
	// askedAtOnce is how many processes are asked side by side.
	askedAtOnce = 16
)

func statusCommand(a *app) *cobra.Command {
	f := &statusFlags{}
	cmd := &cobra.Command{
		Use:   "status [flags] [MOUNTPOINT | ORIGIN]",
		Short: "Say what a motefs is doing, or what a store has",
		Long: "Say what the process is doing that serves a mountpoint, mirrors an origin or holds a\n" +
			"store; or, where none does, what the store has. Nothing is written, and who works on\n" +
			"the store is not in the way. Without an argument: all processes of this user whose\n" +
			"stores are in the default place.\n\n" +
			"With --cluster: who makes mirrors in segments together, and how far they are. With\n" +
			"--segments: how far that mirror is, as its object store says.",
		Example: "  motefs status /mnt/files\n  motefs status --watch http://127.0.0.1:8080\n  motefs status --json --store DIR\n  motefs status --cluster nats://a,b,c --segments s3://bucket/mirror",
		Args:    operands,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.fitStatus(cmd, f, len(args) > 0 || f.dir != ""); err != nil {
				return err
			}
			if f.cluster.servers != "" || f.segments.url != "" {
				if len(args) > 0 || f.dir != "" {
					return usagef("--cluster and --segments ask NATS and the object store: leave out --store, and the mountpoint or origin")
				}
				return a.statusOfCluster(cmd.Context(), f)
			}
			dir, err := f.locate(args, a.settings.Place(cmd, "store"))
			if err != nil {
				return err
			}
			return a.status(cmd.Context(), f, dir)
		},
	}
	f.register(cmd.Flags())
	f.segments.register(cmd.Flags())
	f.cluster.registerWatch(cmd.Flags())
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON objects, one a line; their fields are documented and stay")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "show it again every second, until Ctrl-C")
	return cmd
}

// status shows what is known of the store in dir, or of all that are running.
func (a *app) status(ctx context.Context, f *statusFlags, dir string) error {
	ask, closeAll, err := a.askers(dir)
	if err != nil {
		return err
	}
	defer closeAll()
	s := screen.New(a.rawStdout)
	for {
		all, err := ask(ctx)
		if ctx.Err() != nil && f.watch {
			s.Keep()
			return nil
		}
		if err != nil && len(all) == 0 {
			s.Keep()
			return err
		}
		if !f.watch {
			a.showStatus(s, f, all, nil)
			return err
		}
		a.showStatus(s, f, all, err)
		if !a.untilNext(ctx, s, f, all, err) {
			s.Keep()
			return nil
		}
	}
}

// untilNext waits until it is time to ask again, and shows the same anew when the window
// gets another size. It returns false where ctx ends.
func (a *app) untilNext(ctx context.Context, s *screen.Screen, f *statusFlags, all []answer, missing error) bool {
	resized, stop := screen.Resized()
	defer stop()
	next := time.NewTimer(watchEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-next.C:
			return true
		case <-resized:
			if s.Terminal() && !f.json {
				a.showStatus(s, f, all, missing)
			}
		}
	}
}

// answer is a status, and the object as it came.
type answer struct {
	status.Status
	raw json.RawMessage
}

// askers returns what asks for the store in dir, or for all that are running below the roots.
func (a *app) askers(dir string) (ask func(context.Context) ([]answer, error), closeAll func(), err error) {
	clients := map[string]*status.Client{}
	closeAll = func() {
		for _, c := range clients {
			_ = c.Close() // of a connection on which nothing is owed
		}
	}
	client := func(dir string) *status.Client {
		if clients[dir] == nil {
			clients[dir] = status.NewClient(dir)
		}
		return clients[dir]
	}
	if dir != "" {
		return func(ctx context.Context) ([]answer, error) {
			got, err := a.askStore(ctx, client(dir), dir, (*status.Source).Status)
			if err != nil {
				return nil, err
			}
			return []answer{got}, nil
		}, closeAll, nil
	}
	roots, err := storeRoots()
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) ([]answer, error) {
		below, err := stores.Below(roots...)
		if err != nil {
			return nil, err
		}
		// Side by side, as one that hangs takes askPatience.
		got, failed := make([]answer, len(below)), make([]error, len(below))
		var asking errgroup.Group
		asking.SetLimit(askedAtOnce)
		for i, s := range below {
			c := client(s.Dir)
			asking.Go(func() error {
				got[i], failed[i] = a.askStore(ctx, c, s.Dir, nil)
				return nil
			})
		}
		if err := asking.Wait(); err != nil {
			return nil, err
		}
		var all []answer
		var errs []error
		for i, s := range below {
			switch err := failed[i]; {
			case err == nil:
				all = append(all, got[i])
			case !errors.Is(err, status.ErrNotRunning): // which keeps nobody from seeing the others
				errs = append(errs, fmt.Errorf("%s: %w", cmp.Or(s.Origin, s.Dir), err))
			}
		}
		if len(all) == 0 && errs == nil {
			printLine(a.stderr, "motefs: nothing is running with a store in %s; motefs stores lists the stores there, and --store shows one elsewhere", strings.Join(roots, " and "))
		}
		return all, errors.Join(errs...)
	}, closeAll, nil
}

// askStore asks the process that holds a store, or reads the store where none does, as rest
// says; where that is nil it is status.ErrNotRunning.
func (a *app) askStore(ctx context.Context, client *status.Client, dir string, rest func(*status.Source) status.Status) (answer, error) {
	asking, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	for again := 0; ; again++ {
		st, raw, err := client.Status(asking)
		if err == nil {
			return answer{st, raw}, nil
		}
		if !errors.Is(err, status.ErrNotRunning) || rest == nil {
			return answer{}, notAnswered(dir, err)
		}
		if st, err = a.atRest(dir, rest); err == nil {
			raw, err = json.Marshal(st)
			return answer{st, raw}, err
		}
		if held := heldMeanwhile(dir, err); again > 0 || !errors.Is(held, cache.ErrInUse) {
			return answer{}, held
		}
		// Who has just begun writes to what was read.
	}
}

// heldMeanwhile is why a store cannot be read, of which err was said: it may be held by who
// serves no status and repairs it, say.
func heldMeanwhile(dir string, err error) error {
	who, held, holding := cache.HolderOf(dir)
	if holding != nil || !held {
		return err
	}
	return fmt.Errorf("%w: %s is held by %s, which does not say what it does, and cannot be read meanwhile", cache.ErrInUse, dir, cmp.Or(who, "another process"))
}

// notAnswered is the error of a process that holds a store and does not say what it does.
func notAnswered(dir string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: the process that holds %s does not answer", cache.ErrInUse, dir)
	}
	return err
}

// atRest reads what a store has that nobody serves the status of.
func (a *app) atRest(dir string, gather func(*status.Source) status.Status) (status.Status, error) {
	store, err := cache.Open(cache.Options{Dir: dir, Beside: true, FlushEvery: -1})
	if err != nil {
		return status.Status{}, err
	}
	source := status.New(status.Options{Version: version(), Store: store})
	st := gather(source)
	if err := errors.Join(source.Close(), store.Close()); err != nil {
		return status.Status{}, err
	}
	who, held, err := cache.HolderOf(dir)
	if err != nil {
		return status.Status{}, err
	}
	if held {
		st.State, st.Holder = status.InUse, &who
	}
	return st, nil
}

// showStatus shows answers, and why others are missing: as lines of JSON, or for people; on a
// terminal in the place of those before, with --watch.
func (a *app) showStatus(s *screen.Screen, f *statusFlags, all []answer, missing error) {
	if f.json {
		if missing != nil {
			printLine(a.stderr, "motefs: %v", missing)
		}
		for _, one := range all {
			fmt.Fprintf(a.stdout, "%s\n", text.OneLine(string(one.raw)))
		}
		return
	}
	var lines []string
	for i, one := range all {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, one.Lines(s.Columns()-1)...)
	}
	if missing != nil {
		lines = append(append(lines, ""), text.Wrap([]string{oneLine(missing.Error())}, s.Columns()-1)...)
	}
	if f.watch && s.Terminal() {
		s.Live(lines)
		return
	}
	for _, line := range lines {
		fmt.Fprintln(a.stdout, line)
	}
	if f.watch && len(lines) > 0 {
		fmt.Fprintln(a.stdout)
	}
}

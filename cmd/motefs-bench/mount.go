package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// mountArg makes this program measure mounts instead of mirrors.
const mountArg = "mount"

// mountOptions are the flags of the benchmark of mounts.
type mountOptions struct {
	common
	files int64
	reads int64  // how many of them are read
	store string // an existing one instead of those that are made
	keep  bool   // leave the machine's disks and page cache alone
}

// The defaults, and what -quick makes of them.
const (
	mountFiles = 1_000_000
	mountReads = 200_000
)

func parseMountOptions(args []string, stderr io.Writer) (mountOptions, error) {
	o := mountOptions{common: common{timeout: 10 * time.Minute}}
	flags := flag.NewFlagSet("motefs-bench mount", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "a tenth of the files and of the bytes")
	flags.Int64Var(&o.files, "files", 0, "`files` in the big directory (default 1,000,000)")
	flags.Int64Var(&o.reads, "reads", 0, "how many of them are read, each in a random place (default 200,000)")
	flags.StringVar(&o.store, "store", "", "measure this complete `store` alone, and make none; it is left as it is")
	flags.BoolVar(&o.keep, "keep-caches", false, "neither sync the machine's disks nor, as root, drop its page cache before first times, which slow everybody else down")
	if err := o.parse(flags, args, "MEASURE: FILESYSTEM", "files, stores and mountpoints"); err != nil {
		return o, err
	}
	if o.files < 0 || o.reads < 0 {
		return o, errors.New("-files and -reads are not negative")
	}
	if o.store != "" && o.files != 0 {
		return o, errors.New("-store has the files that it has: do not give -files")
	}
	if o.files == 0 {
		o.files = o.scale(mountFiles)
	}
	if o.reads == 0 {
		o.reads = o.scale(mountReads)
	}
	return o, nil
}

func (o mountOptions) scale(n int64) int64 {
	if o.quick {
		return n / quickFiles
	}
	return n
}

func runMount(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseMountOptions(args, stderr)
	if err != nil {
		return err
	}
	if err := o.locate(); err != nil {
		return err
	}
	for _, path := range []*string{&o.dir, &o.store} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "motefs-bench-")
	if err != nil {
		return err
	}
	b := &mountBench{mountOptions: o, dir: dir, self: self, log: stderr, dropCaches: !o.keep && canDropCaches()}
	defer func() { err = errors.Join(err, b.close()) }()
	rows, err := b.run(ctx)
	if err != nil {
		return err
	}
	on := dir
	if o.store != "" {
		on = o.store
	}
	fmt.Fprint(stdout, b.report(machine(o.motefs, on), rows))
	return nil
}

// mountBench is one run of all rows.
type mountBench struct {
	mountOptions
	dir, self  string
	log        io.Writer
	dropCaches bool
	numbered   int // what has a name of its own
	stores     map[fileset]*store
	trees      map[fileset]string
	names      map[nameset]string
	servers    map[fileset]*server
}

func (b *mountBench) logf(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }

// run runs every row, one at a time, then each again, as the benchmark of mirrors
// does.
func (b *mountBench) run(ctx context.Context) ([]*mountRow, error) {
	rows, err := b.plan()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("-only matches no row")
	}
	for round := range b.repeat {
		for _, r := range rows {
			if r.note != "" {
				continue
			}
			start := time.Now()
			figures, err := b.one(ctx, r)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			said := "done"
			if err != nil {
				r.fail(err)
				said = r.note
			} else {
				r.samples = append(r.samples, figures)
			}
			b.logf("run %d of %d: %s: %s in %s", round+1, b.repeat, r.name(), said, time.Since(start).Round(time.Millisecond))
		}
	}
	return rows, nil
}

// one is one run of one row.
func (b *mountBench) one(ctx context.Context, r *mountRow) ([]float64, error) {
	for _, p := range r.on.needs {
		if _, err := p.find(); err != nil {
			return nil, err
		}
	}
	// What a filesystem is made of is not in the row's bound.
	if err := r.on.prepare(ctx, b, r.set); err != nil {
		return nil, err
	}
	b.sync()
	timed, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("%w (%s)", errTimeout, b.timeout))
	defer cancel()
	figures, err := r.measure(timed, b, r)
	if err != nil && ctx.Err() == nil && timed.Err() != nil {
		err = context.Cause(timed)
	}
	return figures, err
}

// close stops the servers and removes everything, unless something is still
// mounted there.
func (b *mountBench) close() error {
	for _, s := range b.servers {
		s.stop()
	}
	left, err := mountsBelow(b.dir)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("still mounted, and so not removed: %q", left)
	}
	return os.RemoveAll(b.dir)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

func init() {
	// A program's parent-death signal is tied to the thread that started it; the
	// first thread lives as long as the process.
	runtime.LockOSThread()
}

func main() {
	if code, named := helperMain(os.Args[1:]); named {
		os.Exit(code) //nolint:forbidigo // this is main
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "motefs-bench: %v\n", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if err := setS3Environment(); err != nil {
		return err
	}
	b, err := openBench(o, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	t, err := b.table()
	if err != nil {
		return err
	}
	if err := b.run(ctx, t.rows); err != nil {
		return err
	}
	fmt.Fprint(stdout, t.report(b.machine()))
	return nil
}

func (b *bench) table() (t *table, err error) {
	if t = b.mirrorTable(); b.mount {
		t, err = b.mountTable()
	}
	if err == nil && len(t.rows) == 0 {
		err = errors.New("-only matches no row")
	}
	return t, err
}

// options are the flags of both benchmarks.
type options struct {
	mount   bool // measure mounts instead of mirrors
	quick   bool
	only    *regexp.Regexp // of a row's name
	repeat  int
	motefs  string // the program under test
	dir     string // where files and stores are put
	timeout time.Duration
	files   int64

	// Of mounts alone.
	reads      int64  // how many files are read
	store      string // an existing one instead of those that are made
	keepCaches bool   // leave the machine's disks and page cache alone
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{mount: len(args) > 0 && args[0] == "mount"}
	flags := flag.NewFlagSet("motefs-bench", flag.ContinueOnError)
	rows, bound := "NAME from ORIGIN", 2*time.Minute
	if o.mount {
		rows, bound, args = "MEASURE: FILESYSTEM", 10*time.Minute, args[1:]
		flags.Init("motefs-bench mount", flag.ContinueOnError)
		flags.Int64Var(&o.reads, "reads", 0, "how many of them are read, each in a random place (default 200,000)")
		flags.StringVar(&o.store, "store", "", "measure this complete `store` alone, and make none; it is left as it is")
		flags.BoolVar(&o.keepCaches, "keep-caches", false, "neither sync the machine's disks nor, as root, drop its page cache before first times, which slow everybody else down")
	}
	flags.SetOutput(stderr)
	only := flags.String("only", "", "only the rows whose \""+rows+"\" matches this `regexp`")
	flags.BoolVar(&o.quick, "quick", false, "a tenth of the files and bytes, a third of wrk's time")
	flags.Int64Var(&o.files, "files", 0, "`files` of the largest row; no other has more (default 1,000,000)")
	flags.IntVar(&o.repeat, "repeat", 3, "`runs` of each row; the median is shown, with the least and the most")
	flags.StringVar(&o.motefs, "motefs", "bin/motefs", "the motefs `program`")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "`directory` for files, stores and mountpoints, in one of its own that is removed")
	flags.DurationVar(&o.timeout, "timeout", bound, "bound on one run of one row")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("there are no arguments beside flags: %q", flags.Arg(0))
	case o.repeat < 1 || o.timeout <= 0 || o.files < 0 || o.reads < 0:
		return o, errors.New("-repeat and -timeout are positive, -files and -reads not negative")
	case o.store != "" && o.files != 0:
		return o, errors.New("-store has the files that it has: do not give -files")
	}
	o.files = cmp.Or(o.files, o.scale(1_000_000))
	o.reads = cmp.Or(o.reads, o.scale(200_000))
	return o, nil
}

// scale is what the -quick run has of so many.
func (o *options) scale(n int64) int64 {
	if o.quick {
		return n / 10
	}
	return n
}

// locate makes the paths absolute, and finds the program under test.
func (o *options) locate() error {
	motefs, err := exec.LookPath(o.motefs)
	if err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	o.motefs = motefs
	for _, path := range []*string{&o.motefs, &o.dir, &o.store} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
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
	// A server's parent-death signal is tied to the thread that started it; the
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

// options are the command's flags.
type options struct {
	quick   bool
	only    *regexp.Regexp // of "NAME from ORIGIN"; nil: all
	files   int64          // what motefs mirrors from motefs serve; 0: the default
	repeat  int
	motefs  string // the program under test
	dir     string // where files and stores are put
	timeout time.Duration
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("motefs-bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "only the rows whose \"NAME from ORIGIN\" matches this `regexp`")
	flags.BoolVar(&o.quick, "quick", false, "a tenth of the files, a third of wrk's time")
	flags.Int64Var(&o.files, "files", 0, "`files` that motefs mirrors from motefs serve; no row gets more (default 1,000,000)")
	flags.IntVar(&o.repeat, "repeat", 3, "`runs` of each row; the median is shown, with the least and the most")
	flags.StringVar(&o.motefs, "motefs", "bin/motefs", "the motefs `program`")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "`directory` for the files, in one of its own that is removed")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "bound on one run of one row")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("there are no arguments beside flags: %q", flags.Arg(0))
	}
	if *only != "" {
		re, err := regexp.Compile(*only)
		if err != nil {
			return o, fmt.Errorf("-only: %w", err)
		}
		o.only = re
	}
	if o.files < 0 || o.repeat < 1 || o.timeout <= 0 {
		return o, errors.New("-files is not negative, -repeat and -timeout are positive")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	if len(args) > 0 && args[0] == mountArg {
		return runMount(ctx, args[1:], stdout, stderr)
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	if o.motefs, err = exec.LookPath(o.motefs); err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	if o.motefs, err = filepath.Abs(o.motefs); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "motefs-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, log: stderr}
	defer b.close()
	rows, err := b.run(ctx)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errors.New("-only matches no row")
	}
	fmt.Fprint(stdout, report(machine(o.motefs, dir), versions(rows), rows))
	return nil
}

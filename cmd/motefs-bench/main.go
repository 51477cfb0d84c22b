package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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

// options are the flags of the benchmark of mirrors.
type options struct {
	common
	files int64 // what motefs mirrors from motefs serve; 0: the default
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{common: common{timeout: 2 * time.Minute}}
	flags := flag.NewFlagSet("motefs-bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "a tenth of the files, a third of wrk's time")
	flags.Int64Var(&o.files, "files", 0, "`files` that motefs mirrors from motefs serve; no row gets more (default 1,000,000)")
	if err := o.parse(flags, args, "NAME from ORIGIN", "the files"); err != nil {
		return o, err
	}
	if o.files < 0 {
		return o, errors.New("-files is not negative")
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
	if err := o.locate(); err != nil {
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

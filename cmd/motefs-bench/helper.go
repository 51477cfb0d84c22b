package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/cmd/motefs-bench/floor"
)

// helpers are the parts that this program plays as a child of itself. A mount is
// served by one process and read by another: a Go process that touches its own can
// deadlock (golang/go#21014).
var helpers = map[string]func(args []string, stdout io.Writer) error{
	"read":       helpRead,
	"getdents":   helpGetdents,
	"sequential": helpSequential,
	"floor":      helpFloor,
}

// helperMain runs the part that the arguments name, if they name one, and returns
// its exit code.
func helperMain(args []string) (code int, named bool) {
	if len(args) == 0 {
		return 0, false
	}
	if args[0] == child.MeasureArg {
		return child.Measuring(args[1:]), true
	}
	help := helpers[args[0]]
	if help == nil {
		return 0, false
	}
	if err := help(args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "motefs-bench %s: %v\n", args[0], err)
		return 1, true
	}
	return 0, true
}

// passes is what a reading helper says: how long it took to go over the same
// things, the first time and again, and how much there was in one pass.
type passes struct {
	Took  []time.Duration
	Count int64
	Bytes int64
}

func (p *passes) write(w io.Writer) error { return json.NewEncoder(w).Encode(p) }

// pass times one pass; all of them have to find the same.
func (p *passes) pass(one func() (count, size int64, err error)) error {
	start := time.Now()
	count, size, err := one()
	took := time.Since(start)
	if err != nil {
		return err
	}
	if len(p.Took) > 0 && (count != p.Count || size != p.Bytes) {
		return fmt.Errorf("pass %d found %d (%d bytes), the first one %d (%d bytes)", len(p.Took)+1, count, size, p.Count, p.Bytes)
	}
	p.Took, p.Count, p.Bytes = append(p.Took, took), count, size
	return nil
}

// helpFloor serves the floor until it is unmounted or told to end.
func helpFloor(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	files := flags.Int64("files", 0, "how many `files` there are")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("give one mountpoint")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return floor.Serve(ctx, flags.Arg(0), *files, func() { fmt.Fprintf(stdout, "%s %s\n", serving, flags.Arg(0)) })
}

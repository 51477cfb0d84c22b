package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bench is one run of a table's rows.
type bench struct {
	options
	self       string // this program
	tmp        string // its own directory, in options.dir
	log        io.Writer
	dropCaches bool
	once       map[string]string // see made
	atEnd      []func()
}

// row is one thing that is measured, and how that went.
type row struct {
	name  string    // what -only is matched with
	needs []program // what has to be installed
	left  []string  // of its lines in the table, before the figures
	lines []line
	// prepare makes ready, in a directory of the run's own, what measuring takes.
	prepare func(ctx context.Context, dir string) (measurement, error)

	samples [][]float64 // the figures of each run
	note    string      // why there are none
}

// measurement is what of a run is timed, and the check of it. The figures are
// those of the row's cells.
type measurement func(ctx context.Context) (figures []float64, err error)

func openBench(o options, log io.Writer) (*bench, error) {
	if err := o.locate(); err != nil {
		return nil, err
	}
	self, selfErr := os.Executable()
	tmp, err := os.MkdirTemp(o.dir, "motefs-bench-")
	if err := errors.Join(selfErr, err); err != nil {
		return nil, err
	}
	return &bench{options: o, self: self, tmp: tmp, log: log, dropCaches: !o.keepCaches && canDropCaches(), once: map[string]string{}}, nil
}

// run runs every row, one at a time, then each again, so that a slow minute of the
// machine does not hit all runs of one row.
func (b *bench) run(ctx context.Context, rows []*row) error {
	for round := range b.repeat {
		for _, r := range rows {
			if r.note != "" {
				continue
			}
			start := time.Now()
			figures, err := b.one(ctx, r)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.add(figures, err)
			fmt.Fprintf(b.log, "run %d of %d: %s: %s in %s\n", round+1, b.repeat, r.name, cmp.Or(r.note, "done"), time.Since(start).Round(time.Millisecond))
		}
	}
	return nil
}

// add adds a run. One that failed takes the figures of the others away.
func (r *row) add(figures []float64, err error) {
	if err == nil {
		r.samples = append(r.samples, figures)
		return
	}
	r.samples = nil
	if r.note = err.Error(); !errors.Is(err, errNotInstalled) {
		r.note = "failed: " + strings.ReplaceAll(r.note, "\n", " ")
	}
}

// one is one run of one row.
func (b *bench) one(ctx context.Context, r *row) (figures []float64, err error) {
	for _, p := range r.needs {
		if _, err := p.find(); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(b.tmp, "run-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove(dir)) }()
	measure, err := r.prepare(ctx, dir)
	if err != nil {
		return nil, err
	}
	b.sync() // what the last row left to be written back is not this one's work
	timed, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("not done in %s", b.timeout))
	defer cancel()
	return measure(timed)
}

// made is something that rows share.
type made struct {
	at   string // its path, or the URL of a server
	stop func() // ends it; nil: nothing runs
}

// made returns where the thing of that name is. When it is first asked for, create
// makes it, in a directory of that name.
func (b *bench) made(name string, create func(dir string) (made, error)) (at string, err error) {
	if at, ok := b.once[name]; ok {
		return at, nil
	}
	fmt.Fprintf(b.log, "making %s\n", name)
	dir := filepath.Join(b.tmp, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	m, err := create(dir)
	if err != nil {
		return "", err
	}
	if m.stop != nil {
		b.atEnd = append(b.atEnd, m.stop)
	}
	b.once[name] = m.at
	return m.at, nil
}

// close stops the origins and removes everything.
func (b *bench) close() error {
	for _, stop := range b.atEnd {
		stop()
	}
	return remove(b.tmp)
}

// remove removes a directory, unless something is still mounted there.
func remove(dir string) error {
	left, err := mountedBelow(dir)
	if left {
		err = fmt.Errorf("%s has something mounted, and so is not removed", dir)
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// expand is a command line in which words in braces stand for others.
func (b *bench) expand(line string, words ...string) []string {
	interpreter, _ := pythonProgram.find() // who needs it has found it
	replacer := strings.NewReplacer(append(words, "{motefs}", b.motefs, "{self}", b.self, "{python}", interpreter, "{transfers}", fmt.Sprint(transfers))...)
	argv := strings.Fields(line)
	for i := range argv {
		argv[i] = replacer.Replace(argv[i])
	}
	return argv
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/motefs/motefs/cmd/internal/child"
)

// bench is one run of all rows.
type bench struct {
	options
	dir     string
	log     io.Writer
	servers map[*origin]*server
}

func (b *bench) logf(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }

// row is one contender at one origin, and how it did.
type row struct {
	contender
	origin  *origin
	samples []sample
	note    string // why there are no figures
}

// sample is one run that did what it had to.
type sample struct {
	files int64
	child.Usage
}

func (s sample) rate() float64 { return float64(s.files) / s.Wall.Seconds() }

func (s sample) cpuPerFile() time.Duration { return s.CPU / time.Duration(s.files) }

// errTimeout is a run that was killed at its bound.
var errTimeout = errors.New("not done in time")

// run runs every row, one at a time, then each again, so that a slow minute of the
// machine does not hit all runs of one row.
func (b *bench) run(ctx context.Context) ([]*row, error) {
	rows := plan(b.options)
	for round := range b.repeat {
		for _, r := range rows {
			if r.note != "" {
				continue
			}
			s, err := b.one(ctx, r)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				r.fail(err)
			} else {
				r.samples = append(r.samples, s)
			}
			b.logf("run %d of %d: %s from %s: %s", round+1, b.repeat, r.name, r.origin.name, r.outcome(s))
		}
	}
	return rows, nil
}

// fail takes the row's figures away: one run that failed spoils the others.
func (r *row) fail(err error) {
	r.samples = nil
	if r.note = err.Error(); !errors.Is(err, errNotInstalled) {
		r.note = "failed: " + strings.ReplaceAll(r.note, "\n", " ")
	}
}

func (r *row) outcome(s sample) string {
	if r.note != "" {
		return r.note
	}
	return fmt.Sprintf("%d files in %s", s.files, s.Wall.Round(time.Millisecond))
}

// one is one run of one row.
func (b *bench) one(ctx context.Context, r *row) (s sample, err error) {
	for _, p := range r.needs {
		if _, err := p.find(); err != nil {
			return s, err
		}
	}
	server, err := b.server(ctx, r.origin)
	if err != nil {
		return s, err
	}
	j := &job{bench: b, source: r.origin.source, url: server.url, files: r.files, dir: filepath.Join(b.dir, "job")}
	j.out = filepath.Join(j.dir, "out")
	defer func() { err = errors.Join(err, os.RemoveAll(j.dir)) }()
	if err := os.MkdirAll(j.out, 0o755); err != nil {
		return s, err
	}
	argv, err := r.command(j)
	if err != nil {
		return s, err
	}
	// What the last contender left to be written back is not this one's work.
	syscall.Sync()
	timed, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("%w (%s)", errTimeout, b.timeout))
	defer cancel()
	s.Usage, j.printed, err = child.Measure(timed, j.dir, argv...)
	if err != nil {
		return s, err
	}
	s.files, err = r.check(ctx, j)
	if j.took > 0 {
		s.Wall = j.took
	}
	return s, err
}

// server returns a running origin, started when it is first needed.
func (b *bench) server(ctx context.Context, o *origin) (*server, error) {
	if s := b.servers[o]; s != nil {
		return s, nil
	}
	s, err := o.start(ctx, b, o)
	if err != nil {
		return nil, err
	}
	if b.servers == nil {
		b.servers = map[*origin]*server{}
	}
	b.servers[o] = s
	return s, nil
}

// close stops the origins.
func (b *bench) close() {
	for _, s := range b.servers {
		s.stop()
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/motefs/motefs/cmd/internal/child"
)

// help runs a helper as a child and returns what it says.
func (b *mountBench) help(ctx context.Context, args ...string) (p passes, err error) {
	// Without asyncpreemptoff the runtime's signals interrupt requests.
	argv := append([]string{"env", "GODEBUG=asyncpreemptoff=1", b.self}, args...)
	_, printed, err := child.Measure(ctx, b.dir, argv...)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal([]byte(printed), &p); err != nil {
		return p, fmt.Errorf("%s said %q: %w", args[0], lastLine(printed), err)
	}
	if len(p.Took) == 0 || p.Count == 0 {
		return p, fmt.Errorf("%s found nothing", args[0])
	}
	return p, nil
}

// perSecond is a figure for each pass.
func (p *passes) perSecond(of int64) []float64 {
	figures := make([]float64, len(p.Took))
	for i, t := range p.Took {
		figures[i] = float64(of) / t.Seconds()
	}
	return figures
}

// measureReads is files a second, for the first time and again.
func measureReads(ctx context.Context, b *mountBench, r *mountRow) (figures []float64, err error) {
	names, count, err := b.namesOf(ctx, r.set, r.reads)
	if err != nil {
		return nil, err
	}
	err = b.with(ctx, r.on, r.set, func(o opened) error {
		p, err := b.help(ctx, b.readArgs(r, names, 2, o.dir)...)
		if err == nil && p.Count != count {
			err = fmt.Errorf("%d files were read, not %d", p.Count, count)
		}
		figures = p.perSecond(p.Count)
		return err
	})
	return figures, err
}

func (b *mountBench) readArgs(r *mountRow, names string, times int, dir string) []string {
	args := []string{"read", "-names", names, "-passes", strconv.Itoa(times)}
	if !r.set.existing {
		args = append(args, "-size", strconv.FormatInt(r.set.size, 10))
		if r.on != floorOf {
			args = append(args, "-check")
		}
	}
	return append(args, dir)
}

// measureGetdents is entries a second.
func measureGetdents(ctx context.Context, b *mountBench, r *mountRow) (figures []float64, err error) {
	want := r.set.files
	if r.set.existing {
		want = -1 // directories are entries too
	}
	err = b.with(ctx, r.on, r.set, func(o opened) error {
		p, err := b.help(ctx, "getdents", "-want", strconv.FormatInt(want, 10), o.dir)
		figures = p.perSecond(p.Count)
		return err
	})
	return figures, err
}

// measureShell is the seconds that a line of shell takes, for the first time and
// again. $1 is the directory.
func measureShell(line string) func(context.Context, *mountBench, *mountRow) ([]float64, error) {
	return func(ctx context.Context, b *mountBench, r *mountRow) (figures []float64, err error) {
		err = b.with(ctx, r.on, r.set, func(o opened) error {
			for range 2 {
				took, err := b.shell(ctx, line, o.dir)
				if err != nil {
					return err
				}
				figures = append(figures, took)
			}
			return nil
		})
		return figures, err
	}
}

func (b *mountBench) shell(ctx context.Context, line, dir string) (seconds float64, err error) {
	u, _, err := child.Measure(ctx, b.dir, "env", "LC_ALL=C", "sh", "-c", line, "sh", dir)
	return u.Wall.Seconds(), err
}

// measureReady is the seconds from the start of a mount until it says that it
// serves, with what it reads on disk and then in memory.
func measureReady(ctx context.Context, b *mountBench, r *mountRow) (figures []float64, err error) {
	for _, cold := range []bool{true, false} {
		on := *r.on
		on.cold = cold
		err := b.with(ctx, &on, r.set, func(o opened) error {
			figures = append(figures, o.process.ready.Seconds())
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return figures, nil
}

// The figures of measureMemory.
const (
	memoryMounted = iota
	memoryFind
	memoryReads
	memoryFindAgain
	memoryReadsAgain
	memoryPeak
)

// measureMemory is what the process that serves has in memory, in bytes: once it
// is mounted, after find, after many reads, after both again, and the most ever.
func measureMemory(ctx context.Context, b *mountBench, r *mountRow) (figures []float64, err error) {
	names, _, err := b.namesOf(ctx, r.set, r.reads)
	if err != nil {
		return nil, err
	}
	err = b.with(ctx, r.on, r.set, func(o opened) error {
		pid := o.process.Pid()
		note := func(key string) error {
			bytes, err := memoryOf(pid, key)
			figures = append(figures, bytes)
			return err
		}
		if err := note("VmRSS"); err != nil {
			return err
		}
		for range 2 {
			if _, err := b.shell(ctx, `find "$1" >/dev/null`, o.dir); err != nil {
				return err
			}
			if err := note("VmRSS"); err != nil {
				return err
			}
			if _, err := b.help(ctx, b.readArgs(r, names, 1, o.dir)...); err != nil {
				return err
			}
			if err := note("VmRSS"); err != nil {
				return err
			}
		}
		return note("VmHWM")
	})
	return figures, err
}

// measureSequential is bytes a second of the one file that the set has.
func measureSequential(ctx context.Context, b *mountBench, r *mountRow) (figures []float64, err error) {
	err = b.with(ctx, r.on, r.set, func(o opened) error {
		p, err := b.help(ctx, "sequential", "-size", strconv.FormatInt(r.set.size, 10), filepath.Join(o.dir, r.set.source().Name(0)))
		figures = p.perSecond(p.Bytes)
		return err
	})
	return figures, err
}

// measureBlob is the same of the file in the store that holds the content.
func measureBlob(ctx context.Context, b *mountBench, r *mountRow) ([]float64, error) {
	path, size, err := largestFile(b.stores[r.set].dir)
	if err != nil {
		return nil, err
	}
	if path == "" || size < r.set.size {
		return nil, errors.New("the store has no file for it")
	}
	if r.on.cold {
		if err := b.drop(); err != nil {
			return nil, err
		}
	}
	p, err := b.help(ctx, "sequential", path)
	return p.perSecond(p.Bytes), err
}

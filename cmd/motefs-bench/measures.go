package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/motefs/motefs/cmd/internal/child"
)

const (
	// readThreads is how many threads open, read and close.
	readThreads = 8
	// smallBuffer holds a small file with room to spare, so that one read sees
	// its end.
	smallBuffer = 64 << 10
	// sequentialBuffer is how much of a large file is asked for at a time.
	sequentialBuffer = 1 << 20
)

// perFile is a rate of measureReads as the time that a file takes a thread.
func perFile(which int) cell {
	return func(samples [][]float64) string {
		var micros []float64
		for _, rate := range each(samples, which) {
			micros = append(micros, readThreads*1e6/rate)
		}
		return fmt.Sprintf("%s µs (%s/s)", spread(micros, 3, 1), significant(median(each(samples, which)), 3))
	}
}

// seconds is a time, from a second on in seconds and below in milliseconds.
func seconds(which int) cell {
	return func(samples [][]float64) string {
		if median(each(samples, which)) >= 1 {
			return figure(which, 3, 1, " s")(samples)
		}
		return figure(which, 3, 1e-3, " ms")(samples)
	}
}

// measureReads is files a second.
func measureReads(ctx context.Context, t *trial) ([]float64, error) {
	names, err := t.names(ctx)
	if err != nil {
		return nil, err
	}
	return t.with(ctx, func(m mounted) ([]float64, error) {
		p, err := t.read(ctx, names, 2, m.dir)
		return p.perSecond(p.Count), err
	})
}

// read reads random files of a filesystem.
func (t *trial) read(ctx context.Context, names string, times int, dir string) (passes, error) {
	r := &reader{Dir: dir, Names: names, Threads: readThreads, Passes: times, Buffer: smallBuffer}
	if t.set.store == "" && t.on != floorOf {
		r.Check = t.set.size
	}
	return t.b.help(ctx, playReader, r, t.reads, t.reads*t.set.size)
}

// measureGetdents is entries a second.
func measureGetdents(ctx context.Context, t *trial) ([]float64, error) {
	want := t.set.files
	if t.set.store != "" {
		want = -1 // directories are entries too
	}
	return t.with(ctx, func(m mounted) ([]float64, error) {
		p, err := t.b.help(ctx, playLister, &lister{Dir: m.dir}, want, 0)
		return p.perSecond(p.Count), err
	})
}

// measureShell is the seconds that a line of shell takes. $1 is the directory.
func measureShell(line string) func(context.Context, *trial) ([]float64, error) {
	return func(ctx context.Context, t *trial) ([]float64, error) {
		return t.with(ctx, func(m mounted) ([]float64, error) {
			first, firstErr := t.b.shell(ctx, line, m.dir)
			again, err := t.b.shell(ctx, line, m.dir)
			return append(first, again...), errors.Join(firstErr, err)
		})
	}
}

func (b *bench) shell(ctx context.Context, line string, args ...string) (seconds []float64, err error) {
	u, _, err := child.Measure(ctx, b.tmp, append([]string{"sh", "-c", line, "sh"}, args...)...)
	return []float64{u.Wall.Seconds()}, err
}

// measureReady is the seconds from the start of a mount until it says that it
// serves, with what it reads on disk and then in memory.
func measureReady(ctx context.Context, t *trial) ([]float64, error) {
	ready := func(m mounted) ([]float64, error) { return []float64{m.ready.Seconds()}, nil }
	t.cold = true
	first, firstErr := t.with(ctx, ready)
	t.cold = false
	again, err := t.with(ctx, ready)
	return append(first, again...), errors.Join(firstErr, err)
}

func memoryLines(reads int64) []line {
	megabytes := func(which int) cell { return figure(which, 3, 1e6, " MB") }
	return []line{
		{"memory, mounted", []cell{megabytes(0), none}},
		{"memory, after find", []cell{megabytes(1), megabytes(3)}},
		{"memory, after " + thousands(fmt.Sprint(reads)) + " reads", []cell{megabytes(2), megabytes(4)}},
		{"memory, peak", []cell{none, megabytes(5)}},
	}
}

// measureMemory is what the process that serves has in memory, in bytes: once it
// is mounted, after find, after many reads, after both again, and the most ever.
func measureMemory(ctx context.Context, t *trial) ([]float64, error) {
	names, err := t.names(ctx)
	if err != nil {
		return nil, err
	}
	return t.with(ctx, func(m mounted) (figures []float64, err error) {
		for _, step := range []string{"", "find", "read", "find", "read", "peak"} {
			key := "VmRSS" // see proc_pid_status(5)
			switch step {
			case "find":
				_, err = t.b.shell(ctx, `find "$1" >/dev/null`, m.dir)
			case "read":
				_, err = t.read(ctx, names, 1, m.dir)
			case "peak":
				key = "VmHWM"
			}
			kib, keyErr := kibibytes(fmt.Sprintf("/proc/%d/status", m.Pid()), key)
			if err := errors.Join(err, keyErr); err != nil {
				return nil, err
			}
			figures = append(figures, float64(kib)*1024)
		}
		return figures, nil
	})
}

// measureSequential is bytes a second of one large file: that of the set, or the one
// in the store that holds its content.
func measureSequential(ctx context.Context, t *trial) ([]float64, error) {
	return t.with(ctx, func(m mounted) ([]float64, error) {
		path, size := filepath.Join(m.dir, t.set.source(false).Name(0)), t.set.size
		if t.on == storeFile {
			found, err := filepath.Glob(filepath.Join(m.dir, "blobs", "*", "*"))
			if len(found) != 1 {
				return nil, errors.Join(err, fmt.Errorf("the store's files for it are %q", found))
			}
			path, size = found[0], -1 // the sums of its blocks stand behind it
		}
		names := filepath.Join(t.scratch, "name")
		if err := os.WriteFile(names, []byte(filepath.Base(path)+"\x00"), 0o644); err != nil {
			return nil, err
		}
		r := &reader{Dir: filepath.Dir(path), Names: names, Threads: 1, Passes: 2, Buffer: sequentialBuffer}
		p, err := t.b.help(ctx, playReader, r, 1, size)
		return p.perSecond(p.Bytes), err
	})
}

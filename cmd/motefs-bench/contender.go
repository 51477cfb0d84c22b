package main

import (
	"context"
	"runtime"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// contender is one way to get the files.
type contender struct {
	name   string
	stored string // what of the files it keeps
	files  int64  // how many take it a few seconds
	needs  []program
	// command writes what the run needs into the job's directory and returns
	// the command line.
	command func(j *job) ([]string, error)
	// check returns how many files arrived; a run with an error has no rate.
	check func(ctx context.Context, j *job) (int64, error)
}

// job is one run of a contender.
type job struct {
	bench   *bench
	source  *serve.Synthetic
	url     string
	files   int64
	dir     string // its own, for everything but the files
	out     string // empty, for the files or the store
	printed string // by the contender
	// took is the time that check found to count, 0: that of the process.
	took time.Duration
}

// What contenders keep.
const (
	storedNothing = "nothing"
	storedFiles   = "a file each"
	storedStore   = "a store"
)

const (
	// ceilingConnections and inFlight are how many requests wrk, and one event
	// loop of the talk's, have in flight.
	ceilingConnections = 64
	inFlight           = 64
	// transfers is how many a download program has, as many as motefs has
	// connections by default. Between 16 and 64 noise hid any difference.
	transfers = 16
)

// What the -quick run has less.
const (
	quickFiles = 10
	quickTime  = 3
)

const (
	motefsFiles      = 1_000_000
	motefsNginxFiles = 100_000
	wrkTime          = 3 * time.Second
)

// The ceilings' names.
const (
	keepAlive = "wrk, keep-alive"
	pipelined = "wrk, pipelined"
)

// plan is which contenders ask which origins, in the order of the table.
func plan(o options) []*row {
	listed := o.files
	if listed == 0 {
		listed = o.scale(motefsFiles)
	}
	synthetic := func(n int64, shuffle bool) *serve.Synthetic {
		return serve.NewSynthetic(serve.SyntheticOptions{Files: n, Shuffle: shuffle})
	}
	nginx := &origin{name: "nginx", source: synthetic(min(listed, o.scale(motefsNginxFiles)), false),
		ceiling: keepAlive, needs: []program{nginxProgram}, start: startNginx}
	serve := &origin{name: "serve", source: synthetic(listed, false), ceiling: pipelined, start: startServe()}
	shuffled := &origin{name: "serve", source: synthetic(listed, true), ceiling: pipelined, start: startServe("--shuffle")}

	var rows []*row
	add := func(og *origin, c contender) {
		if o.only == nil || o.only.MatchString(c.name+" from "+og.name) {
			c.files = min(c.files, og.source.Len())
			rows = append(rows, &row{contender: c, origin: og})
		}
	}
	for _, og := range []*origin{nginx, serve} {
		add(og, wrk(keepAlive, 1, o))
		add(og, wrk(pipelined, pipelineDepth, o))
		// Beside its ceiling: the programs below leave the disk's journal full.
		add(og, motefs("motefs mirror", og))
		if og == serve {
			add(shuffled, motefs("motefs mirror, shuffled listing", shuffled))
		}
		for _, c := range talk(o) {
			add(og, c)
		}
		for _, c := range tools(o) {
			add(og, c)
		}
	}
	return rows
}

func (o options) scale(files int64) int64 {
	if o.quick {
		return files / quickFiles
	}
	return files
}

// cores is how many processes there are of a contender that takes one for each.
func cores() int { return runtime.NumCPU() }

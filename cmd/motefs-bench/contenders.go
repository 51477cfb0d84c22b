package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// contender is one way to get the files.
type contender struct {
	name     string
	keeps    string // what of the files
	check    func(ctx context.Context, j *job) (files int64, err error)
	files    int64 // how many take it a few seconds
	needs    []program
	command  string
	list     string // what stands in {list} for each file
	shuffled bool   // the listing is in another order
	all      bool   // takes all that is listed: the origin has no more files than it takes
}

const (
	// ceilingConnections is how many requests wrk, and one event loop of the
	// talk's, have in flight.
	ceilingConnections = 64
	// pipelineDepth divides nginx's keepalive_requests, so that no pipeline is
	// cut in its middle.
	pipelineDepth = 50
	// transfers is how many a download program has, as many as motefs has
	// connections by default. Between 16 and 64 noise hid any difference.
	transfers = 16

	keepAlive = "wrk, keep-alive"
	pipelined = "wrk, pipelined"
)

// contenders are all of them, in the order of the table. The download programs are
// set up for very many small files, with what would stop them at a known name
// switched off. The motefs rows stand beside their ceiling: the programs below
// leave the disk's journal full.
func contenders() []contender {
	cores := runtime.NumCPU()
	each := int64(cores) // for those that take a process for each core
	python := func(name, approach string, files int64, workers int, needs ...program) contender {
		return contender{
			name: "Python, " + name, keeps: "a file each", check: checkFiles, files: files, needs: append([]program{pythonProgram}, needs...),
			command: fmt.Sprintf("{python} -B {dir}/talk.py %s {url} {out} {files} %d %d", approach, workers, ceilingConnections),
		}
	}
	tool := func(name string, files int64, needs program, list, command string) contender {
		return contender{name: name, keeps: "a file each", check: checkFiles, files: files, needs: []program{needs}, list: list, command: command}
	}
	const mirror = "{motefs} mirror --store {out} {url}"
	return []contender{
		wrk(keepAlive, 1, "/get/{name}", ""),
		wrk(pipelined, pipelineDepth, "/get/{name}", ""),
		{name: "motefs mirror", keeps: "a store", check: checkStore, files: math.MaxInt64, command: mirror},
		{name: "motefs mirror, shuffled listing", keeps: "a store", check: checkStore, files: math.MaxInt64, command: mirror, shuffled: true},
		python("synchronous", "synchronous", 2_000, 1, requests),
		python("10 threads", "threads", 3_000, 10, requests),
		python("100 threads", "threads", 3_000, 100, requests),
		python(fmt.Sprintf("%d processes", cores), "processes", 2_000*each, cores, requests),
		python("asyncio", "coroutines", 6_000, 1, requests, aiohttp, uvloop),
		python(fmt.Sprintf("asyncio in %d processes", cores), "coroutines_processes", 5_000*each, cores, requests, aiohttp, uvloop),
		tool("wget2", 20_000, wget2Program, "{url}/get/{name}",
			"wget2 --no-config --quiet --no-hsts --no-directories --max-threads={transfers} --directory-prefix={out} --input-file={list}"),
		tool("curl -Z", 10_000, curlProgram, "url = \"{url}/get/{name}\"\noutput = \"{out}/{name}\"",
			"curl --disable --parallel --parallel-max {transfers} --fail --silent --show-error --config {list}"),
		tool("aria2c", 3_000, aria2Program, "{url}/get/{name}",
			"aria2c --no-conf --quiet --max-concurrent-downloads={transfers} --split=1 --file-allocation=none --allow-overwrite=true "+
				"--auto-file-renaming=false --dir={out} --input-file={list}"),
		tool("rclone copy", 5_000, rcloneProgram, "{name}",
			"rclone copy --config /dev/null --quiet --http-url {url}/get/ --http-no-head --no-traverse --no-check-dest "+
				"--transfers {transfers} --checkers {transfers} --files-from {list} :http: {out}"),
	}
}

// wrk asks for each path that list gives, with more flags.
func wrk(name string, depth int, list, flags string) contender {
	return contender{
		name: name, keeps: "nothing", check: checkCounted, files: 10_000, needs: []program{wrkProgram}, list: list,
		command: fmt.Sprintf("wrk -t %d -c %d -d {seconds}s -s {dir}/ceiling.lua %s {url} -- {list} %d",
			min(runtime.NumCPU(), ceilingConnections), ceilingConnections, flags, depth),
	}
}

//go:embed talk.py ceiling.lua
var scripts embed.FS

// job is one run of a contender.
type job struct {
	*bench
	contender
	source  *serve.Synthetic
	url     string
	words   []string // of the origin, see expand
	files   int64
	dir     string // its own, for everything but the files
	out     string // for the files or the store
	printed string // by the contender
	// took is the time that the check found to count; 0: that of the process.
	took time.Duration
}

// argv is the contender's command line. What it reads is in the job's directory: the
// scripts, and a list with a line for each file, in the listing's order.
func (j *job) argv() ([]string, error) {
	path, seconds := filepath.Join(j.dir, "list"), min(3, j.scale(10)) // one with -quick
	words := slices.Concat(j.words, []string{"{dir}", j.dir, "{out}", j.out, "{url}", j.url, "{list}", path,
		"{files}", fmt.Sprint(j.files), "{seconds}", fmt.Sprint(seconds)})
	line := strings.NewReplacer(words...).Replace(j.list)
	var list bytes.Buffer
	for k := range j.files {
		fmt.Fprintln(&list, strings.ReplaceAll(line, "{name}", j.source.Name(j.source.Listed(k))))
	}
	err := errors.Join(os.Mkdir(j.out, 0o755), os.CopyFS(j.dir, scripts), os.WriteFile(path, list.Bytes(), 0o644))
	return j.expand(j.command, words...), err
}

// measure runs the contender and checks what it has got.
func (j *job) measure(ctx context.Context, argv []string) ([]float64, error) {
	u, printed, err := child.Measure(ctx, j.dir, argv...)
	if err != nil {
		return nil, err
	}
	j.printed, j.took = printed, u.Wall
	n, err := j.check(ctx, j)
	if err != nil {
		return nil, err
	}
	files := float64(n)
	return []float64{ofFiles: files, ofRate: files / j.took.Seconds(), ofCPU: float64(u.CPU.Nanoseconds()) / 1000 / files, ofPeak: float64(u.Peak)}, nil
}

// checkCounted is how many good answers wrk got, as ceiling.lua says; any other
// answer fails it. Its own account of the time leaves out what goes before its first
// request.
func checkCounted(_ context.Context, j *job) (int64, error) {
	var got struct{ Requests, Micros, Failed int64 }
	_, text, _ := strings.Cut(j.printed, "counted ")
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return 0, fmt.Errorf("wrk printed no count: %w: %q", err, j.printed)
	}
	if got.Requests == 0 || got.Failed > 0 {
		return 0, fmt.Errorf("wrk had %d good answers, and %d others", got.Requests, got.Failed)
	}
	j.took = time.Duration(got.Micros) * time.Microsecond
	return got.Requests, nil
}

// checkFiles finds each of the job's files on disk as the origin serves it, and
// nothing else there.
func checkFiles(_ context.Context, j *job) (int64, error) {
	var found int64
	err := filepath.WalkDir(j.out, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found++
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for k := range j.files {
		if err := checkFile(j.out, j.source, j.source.Listed(k)); err != nil {
			return 0, fmt.Errorf("of %d files, %d arrived: %w", j.files, found, err)
		}
	}
	if found != j.files {
		return 0, fmt.Errorf("%d files are there, not %d", found, j.files)
	}
	return j.files, nil
}

// verified is the count of a store that motefs verify finds complete.
var verified = regexp.MustCompile(`([\d,]+) listed, ([\d,]+) fetched \([^)]*\), complete`)

// checkStore has motefs verify read the whole store.
func checkStore(ctx context.Context, j *job) (int64, error) {
	_, printed, err := child.Measure(ctx, j.dir, j.motefs, "verify", "--store", j.out)
	if err != nil {
		return 0, fmt.Errorf("motefs verify: %w", err)
	}
	return j.files, checkVerified(printed, j.files)
}

// checkVerified fails unless motefs verify found so many files and the store
// complete.
func checkVerified(printed string, files int64) error {
	want := thousands(fmt.Sprint(files))
	if m := verified.FindStringSubmatch(printed); m == nil || m[1] != want || m[2] != want {
		return fmt.Errorf("motefs verify does not find %s files in a complete store: %q", want, printed)
	}
	return nil
}

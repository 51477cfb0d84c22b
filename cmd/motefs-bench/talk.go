package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

//go:embed talk.py
var talkScript []byte

// talk returns the approaches of the talk. Those that take a process for each
// core get files for each core.
func talk(o options) []contender {
	approach := func(name, function string, files int64, workers int, needs ...program) contender {
		return contender{
			name: name, stored: storedFiles, files: o.scale(files), check: checkFiles,
			needs:   append([]program{pythonProgram}, needs...),
			command: func(j *job) ([]string, error) { return talkCommand(j, function, workers) },
		}
	}
	n := cores()
	return []contender{
		approach("Python, synchronous", "synchronous", 2_000, 1, requests),
		approach("Python, 10 threads", "threads", 3_000, 10, requests),
		approach("Python, 100 threads", "threads", 3_000, 100, requests),
		approach(fmt.Sprintf("Python, %d processes", n), "processes", 2_000*int64(n), n, requests),
		approach("Python, asyncio", "coroutines", 6_000, 1, requests, aiohttp, uvloop),
		approach(fmt.Sprintf("Python, asyncio in %d processes", n), "coroutines_processes", 5_000*int64(n), n, requests, aiohttp, uvloop),
	}
}

func talkCommand(j *job, approach string, workers int) ([]string, error) {
	// The interpreter that has this module has the others too.
	path, err := requests.find()
	if err != nil {
		return nil, err
	}
	script := filepath.Join(j.dir, "talk.py")
	if err := os.WriteFile(script, talkScript, 0o644); err != nil {
		return nil, err
	}
	return []string{path, "-B", script, approach, "--url", j.url, "--out", j.out,
		"--files", fmt.Sprint(j.files), "--workers", fmt.Sprint(workers), "--in-flight", fmt.Sprint(inFlight)}, nil
}

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed ceiling.lua
var ceilingScript []byte

const (
	// pipelineDepth divides nginx's keepalive_requests, so that no pipeline is
	// cut in its middle.
	pipelineDepth = 50
	// wrkPaths is how many files wrk asks for, over and over.
	wrkPaths = 10_000
)

func wrk(name string, depth int, o options) contender {
	lasts := wrkTime
	if o.quick {
		lasts /= quickTime
	}
	return contender{
		name: name, stored: storedNothing, needs: []program{wrkProgram},
		command: func(j *job) ([]string, error) {
			path, err := wrkProgram.find()
			if err != nil {
				return nil, err
			}
			script := filepath.Join(j.dir, "ceiling.lua")
			if err := os.WriteFile(script, ceilingScript, 0o644); err != nil {
				return nil, err
			}
			j.files = max(int64(depth), min(wrkPaths, j.source.Len()))
			paths, err := j.writeList("paths", func(name string) string { return "/get/" + name })
			if err != nil {
				return nil, err
			}
			return []string{path, "-t", strconv.Itoa(min(cores(), ceilingConnections)), "-c", strconv.Itoa(ceilingConnections),
				"-d", fmt.Sprintf("%ds", int(lasts.Seconds())), "-s", script, j.url, "--", paths, strconv.Itoa(depth)}, nil
		},
		check: func(_ context.Context, j *job) (n int64, err error) {
			n, j.took, err = parseWrk(j.printed)
			return n, err
		},
	}
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in ([\d.]+(?:us|ms|s|m))\b`)
	wrkBad      = regexp.MustCompile(`(?m)^\s*Non-2xx or 3xx responses: (\d+)`)
	wrkErrors   = regexp.MustCompile(`(?m)^\s*Socket errors: (.*)$`)
)

// parseWrk returns how many good answers wrk got, and in what time; any other
// answer fails it.
func parseWrk(text string) (int64, time.Duration, error) {
	m := wrkRequests.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, fmt.Errorf("wrk printed no count: %s", lastLine(text))
	}
	if bad := wrkBad.FindStringSubmatch(text); bad != nil {
		return 0, 0, fmt.Errorf("%s answers were not 200", bad[1])
	}
	if e := wrkErrors.FindStringSubmatch(text); e != nil {
		return 0, 0, fmt.Errorf("socket errors: %s", strings.TrimSpace(e[1]))
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, 0, err
	}
	took, err := time.ParseDuration(m[2])
	if err != nil {
		return 0, 0, err
	}
	if n == 0 || took <= 0 {
		return 0, 0, errors.New("wrk got no answer")
	}
	return n, took, nil
}

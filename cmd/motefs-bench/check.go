package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// writeList writes a line for each of the job's files, in the listing's order.
func (j *job) writeList(name string, line func(name string) string) (path string, err error) {
	path = filepath.Join(j.dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	for k := range j.files {
		// The listing may be shorter where a batch has to be filled.
		fmt.Fprintln(w, line(j.source.Name(j.source.Listed(k%j.source.Len()))))
	}
	return path, w.Flush()
}

// checkFiles finds each of the job's files on disk as the origin serves it, and
// nothing else there.
func checkFiles(_ context.Context, j *job) (int64, error) {
	dir, err := os.Open(j.out)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	found, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	for k := range j.files {
		i := j.source.Listed(k)
		name := j.source.Name(i)
		body, err := os.ReadFile(filepath.Join(j.out, name))
		if err != nil {
			return 0, fmt.Errorf("%d of %d files arrived: %w", len(found), j.files, err)
		}
		if !bytes.Equal(body, j.source.Body(i)) {
			return 0, fmt.Errorf("%s holds other bytes than the origin serves", name)
		}
	}
	if int64(len(found)) != j.files {
		return 0, fmt.Errorf("%d files are there, not %d", len(found), j.files)
	}
	return j.files, nil
}

// motefs mirrors all of an origin.
func motefs(name string, og *origin) contender {
	return contender{
		name: name, stored: storedStore, files: og.source.Len(), check: checkStore,
		command: func(j *job) ([]string, error) {
			return []string{j.bench.motefs, "mirror", "--store", j.out, j.url}, nil
		},
	}
}

// fetched is the count in motefs's summaries.
var fetched = regexp.MustCompile(`([\d,]+) listed, ([\d,]+) fetched \([^)]*\), complete`)

// checkStore has motefs verify read the whole store.
func checkStore(ctx context.Context, j *job) (int64, error) {
	out, err := exec.CommandContext(ctx, j.bench.motefs, "verify", "--store", j.out).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("motefs verify: %w: %s", err, lastLine(string(out)))
	}
	n, err := parseVerify(string(out))
	if err == nil && n != j.files {
		err = fmt.Errorf("%d files are in the store, not %d", n, j.files)
	}
	return n, err
}

// parseVerify returns how many files motefs verify found in a complete store.
func parseVerify(text string) (int64, error) {
	m := fetched.FindStringSubmatch(text)
	if m == nil || m[1] != m[2] {
		return 0, fmt.Errorf("motefs verify does not find the store complete: %q", text)
	}
	return strconv.ParseInt(strings.ReplaceAll(m[2], ",", ""), 10, 64)
}

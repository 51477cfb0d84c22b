package main

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// tools returns the download programs, each set up for
// very many small files, with what would stop it at a known name switched off.
func tools(o options) []contender {
	tool := func(name string, files int64, p program, command func(*job) ([]string, error)) contender {
		return contender{
			name: name, stored: storedFiles, files: o.scale(files), needs: []program{p}, check: checkFiles,
			command: func(j *job) ([]string, error) {
				path, err := p.find()
				if err != nil {
					return nil, err
				}
				argv, err := command(j)
				return append([]string{path}, argv...), err
			},
		}
	}
	return []contender{
		tool("wget2", 20_000, wget2Program, wget2),
		tool("curl -Z", 10_000, curlProgram, curl),
		tool("aria2c", 3_000, aria2Program, aria2),
		tool("rclone copy", 5_000, rcloneProgram, rclone),
	}
}

// atATime is transfers as an argument.
var atATime = strconv.Itoa(transfers)

// urls writes the files' URLs, one a line.
func (j *job) urls() (string, error) {
	return j.writeList("urls", func(name string) string { return j.url + "/get/" + name })
}

func wget2(j *job) ([]string, error) {
	urls, err := j.urls()
	return []string{"--no-config", "--quiet", "--no-hsts", "--no-directories", "--max-threads=" + atATime,
		"--directory-prefix=" + j.out, "--input-file=" + urls}, err
}

func curl(j *job) ([]string, error) {
	config, err := j.writeList("config", func(name string) string {
		return fmt.Sprintf("url = \"%s/get/%s\"\noutput = \"%s\"", j.url, name, filepath.Join(j.out, name))
	})
	return []string{"--disable", "--parallel", "--parallel-max", atATime, "--fail", "--silent", "--show-error", "--config", config}, err
}

func aria2(j *job) ([]string, error) {
	urls, err := j.urls()
	return []string{"--no-conf", "--quiet", "--max-concurrent-downloads=" + atATime, "--split=1", "--file-allocation=none",
		"--allow-overwrite=true", "--auto-file-renaming=false", "--dir=" + j.out, "--input-file=" + urls}, err
}

func rclone(j *job) ([]string, error) {
	names, err := j.writeList("names", func(name string) string { return name })
	return []string{"copy", "--config", "/dev/null", "--quiet", "--http-url", j.url + "/get/", "--http-no-head", "--no-traverse",
		"--no-check-dest", "--transfers", atATime, "--checkers", atATime, "--files-from", names, ":http:", j.out}, err
}

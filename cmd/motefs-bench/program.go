package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// errNotInstalled is a program that a row needs and that is not there.
var errNotInstalled = errors.New("not installed")

// program is something that a contender or an origin needs.
type program struct {
	label string
	// paths are tried one after the other.
	paths []string
	// module is of Python, where what is needed is that.
	module string
	// pkg is the package that has it.
	pkg string
	// version is the argument that makes it print its version.
	version string
}

// Debian's Python sees Debian's modules; another one in the path may not.
var pythonPaths = []string{"/usr/bin/python3", "python3"}

var (
	nginxProgram  = program{label: "nginx", paths: []string{"nginx", "/usr/sbin/nginx"}, pkg: "nginx-light", version: "-v"}
	wrkProgram    = program{label: "wrk", paths: []string{"wrk"}, pkg: "wrk", version: "--version"}
	wget2Program  = program{label: "wget2", paths: []string{"wget2"}, pkg: "wget2", version: "--version"}
	curlProgram   = program{label: "curl", paths: []string{"curl"}, pkg: "curl", version: "--version"}
	aria2Program  = program{label: "aria2", paths: []string{"aria2c"}, pkg: "aria2", version: "--version"}
	rcloneProgram = program{label: "rclone", paths: []string{"rclone"}, pkg: "rclone", version: "version"}
	pythonProgram = program{label: "Python", paths: pythonPaths, pkg: "python3", version: "--version"}
	requests      = program{label: "requests", paths: pythonPaths, module: "requests", pkg: "python3-requests"}
	aiohttp       = program{label: "aiohttp", paths: pythonPaths, module: "aiohttp", pkg: "python3-aiohttp"}
	uvloop        = program{label: "uvloop", paths: pythonPaths, module: "uvloop", pkg: "python3-uvloop"}
)

// find returns the program's path; that of Python for a module.
func (p program) find() (string, error) {
	for _, path := range p.paths {
		path, err := exec.LookPath(path)
		if err != nil {
			continue
		}
		if p.module != "" && exec.Command(path, "-c", "import "+p.module).Run() != nil {
			continue
		}
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("%w: apt-get install %s", errNotInstalled, p.pkg)
}

var versionNumber = regexp.MustCompile(`\d+\.\d[\w.+~-]*`)

// versionText is the program's name and version.
func (p program) versionText() string {
	path, err := p.find()
	if err != nil {
		return ""
	}
	argv := []string{path, p.version}
	if p.module != "" {
		argv = []string{path, "-c", fmt.Sprintf("import %[1]s; print(%[1]s.__version__)", p.module)}
	}
	// Some of them exit with an error after they said it.
	out, _ := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	return strings.TrimSpace(p.label + " " + string(versionNumber.Find(out)))
}

// versions names the programs that gave the rows their figures.
func versions(rows []*row) []string {
	var texts []string
	for _, r := range rows {
		if len(r.samples) == 0 {
			continue
		}
		for _, p := range append(slices.Clone(r.origin.needs), r.needs...) {
			if text := p.versionText(); text != "" && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

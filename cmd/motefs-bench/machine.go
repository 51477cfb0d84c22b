package main

import (
	"cmp"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// machine is one line about where and what was measured.
func (b *bench) machine() string {
	memory, _ := kibibytes("/proc/meminfo", "MemTotal") // 0, where it is not known
	return fmt.Sprintf("%d cores (%s), %d GiB of memory, Linux %s, files on %s, %s, motefs %s",
		runtime.NumCPU(), field("/proc/cpuinfo", "model name"), memory>>20, printed("uname", "-r"),
		filesystemType(cmp.Or(b.store, b.tmp)), time.Now().UTC().Format(time.DateOnly), build(b.motefs))
}

// field is the first value of a key in a file of "key : value" lines.
func field(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kibibytes is such a value as a number.
func kibibytes(path, key string) (kib int64, err error) {
	text := field(path, key)
	if _, err := fmt.Sscanf(text, "%d kB", &kib); err != nil {
		return 0, fmt.Errorf("%s in %s is %q: %w", key, path, text, err)
	}
	return kib, nil
}

// build is the commit and the Go version that a program was built from; where go
// build was told not to write the commit, that of the tree that this is run in, as
// make does.
func build(path string) string {
	commit, goVersion := "", "an unknown Go"
	if info, err := buildinfo.ReadFile(path); err == nil {
		commit, goVersion = info.Main.Version, info.GoVersion
	}
	if commit == "" || commit == "(devel)" {
		commit = printed("git", "describe", "--always", "--abbrev=12", "--dirty")
	}
	return commit + " (" + goVersion + ")"
}

// filesystemType names the one that a directory is on.
func filesystemType(dir string) string { return printed("df", "--output=fstype", dir) }

// printed is the last word that a program prints.
func printed(argv ...string) string {
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if words := strings.Fields(string(out)); err == nil && len(words) > 0 {
		return words[len(words)-1]
	}
	return "unknown"
}

const dropCachesFile = "/proc/sys/vm/drop_caches"

// canDropCaches reports whether this process may empty the machine's caches. In a
// container the file is often there and read-only.
func canDropCaches() bool { return unix.Access(dropCachesFile, unix.W_OK) == nil }

// drop empties the page cache and the kernel's caches of inodes and dentries, if
// that is allowed and wanted.
func (b *bench) drop() error {
	if !b.dropCaches {
		return nil
	}
	b.sync() // what is dirty is not dropped
	if err := os.WriteFile(dropCachesFile, []byte("3\n"), 0); err != nil {
		return fmt.Errorf("drop caches: %w", err)
	}
	return nil
}

// sync waits until what was written is on disk.
func (b *bench) sync() {
	if !b.keepCaches {
		syscall.Sync()
	}
}

// errNotInstalled is a program that a row needs and that is not there.
var errNotInstalled = errors.New("not installed")

// program is something that a row needs.
type program struct {
	label   string
	path    string
	pkg     string // the package that has it; "": Debian has none
	version string // the argument that makes it print its version; "": it is a module of Python
}

// Debian's Python sees Debian's modules; another one in the path may not.
const python = "/usr/bin/python3"

var (
	nginxProgram     = program{"nginx", "nginx", "nginx-light", "-v"}
	wrkProgram       = program{"wrk", "wrk", "wrk", "--version"}
	wget2Program     = program{"wget2", "wget2", "wget2", "--version"}
	curlProgram      = program{"curl", "curl", "curl", "--version"}
	aria2Program     = program{"aria2", "aria2c", "aria2", "--version"}
	rcloneProgram    = program{"rclone", "rclone", "rclone", "version"}
	awsProgram       = program{"aws-cli", "aws", "awscli", "--version"}
	s3cmdProgram     = program{"s3cmd", "s3cmd", "s3cmd", "--version"}
	s5cmdProgram     = program{"s5cmd", "s5cmd", "", "version"}
	httpdirfsProgram = program{"httpdirfs", "httpdirfs", "httpdirfs", "--version"}
	pythonProgram    = program{"Python", python, "python3", "--version"}
	requests         = program{"requests", python, "python3-requests", ""}
	aiohttp          = program{"aiohttp", python, "python3-aiohttp", ""}
	uvloop           = program{"uvloop", python, "python3-uvloop", ""}
)

// find returns the program's path; that of Python for a module.
func (p program) find() (string, error) {
	name := filepath.Base(p.path)
	for _, path := range []string{p.path, name, "/usr/sbin/" + name} {
		path, err := exec.LookPath(path)
		if err != nil {
			continue
		}
		if p.version == "" && exec.Command(path, "-c", "import "+p.label).Run() != nil {
			break
		}
		return path, nil
	}
	if p.pkg == "" {
		return "", fmt.Errorf("%w: there is no %s, nor a package of it", errNotInstalled, p.label)
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
	args := []string{p.version}
	if p.version == "" {
		args = []string{"-c", fmt.Sprintf("import %[1]s; print(%[1]s.__version__)", p.label)}
	}
	// Some of them exit with an error after they said it.
	out, _ := exec.Command(path, args...).CombinedOutput()
	return strings.TrimSpace(p.label + " " + string(versionNumber.Find(out)))
}

// versionTexts names the programs that gave the rows their figures.
func versionTexts(rows []*row) (texts []string) {
	seen := map[program]bool{}
	for _, r := range rows {
		for _, p := range r.needs {
			if len(r.samples) > 0 && !seen[p] {
				seen[p] = true
				texts = append(texts, p.versionText())
			}
		}
	}
	return texts
}

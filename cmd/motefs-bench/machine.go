package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// machine is one line about where and what was measured.
func machine(motefs, dir string) string {
	text := fmt.Sprintf("%d cores", runtime.NumCPU())
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		text += " (" + model + ")"
	}
	var memory uint64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &memory); err == nil {
		text += fmt.Sprintf(", %d GiB of memory", memory>>20)
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		text += ", Linux " + strings.TrimSpace(string(kernel))
	}
	return text + ", files on " + filesystem(dir) + ", " + time.Now().UTC().Format(time.DateOnly) + ", motefs " + build(motefs)
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

// build is the commit and the Go version that a program was built from.
func build(path string) string {
	commit, goVersion := "", "an unknown Go"
	if info, err := buildinfo.ReadFile(path); err == nil {
		commit, goVersion = stampedCommit(info), info.GoVersion
	}
	if commit == "" {
		commit = currentCommit()
	}
	return commit + " (" + goVersion + ")"
}

const (
	commitLength = 12
	withChanges  = " with changes"
)

// stampedCommit is what go build wrote into a program, "" where it was told not to.
func stampedCommit(info *buildinfo.BuildInfo) string {
	commit, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), commitLength)]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = withChanges
		}
	}
	if commit == "" {
		return ""
	}
	return commit + modified
}

// currentCommit is that of the tree that this is run in, as make does.
func currentCommit() string {
	commit, err := exec.Command("git", "rev-parse", fmt.Sprintf("--short=%d", commitLength), "HEAD").Output()
	if err != nil {
		return "of an unknown commit"
	}
	text := strings.TrimSpace(string(commit))
	if changes, err := exec.Command("git", "status", "--porcelain").Output(); err != nil || len(changes) > 0 {
		text += withChanges
	}
	return text
}

// filesystem names the one that a directory is on. The numbers are those of
// statfs(2).
func filesystem(dir string) string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return "an unknown filesystem"
	}
	switch uint32(st.Type) {
	case 0xef53:
		return "ext4"
	case 0x58465342:
		return "XFS"
	case 0x9123683e:
		return "Btrfs"
	case 0x01021994:
		return "tmpfs"
	case 0x794c7630:
		return "overlayfs"
	case 0x2fc12fc1:
		return "ZFS"
	}
	return fmt.Sprintf("a filesystem of type %#x", uint32(st.Type))
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/mountopts"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// units are the files of systemd/, by their names.
func units(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("systemd/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no units: %v", err)
	}
	all := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = string(text)
	}
	return all
}

// TestUnitsVerify has systemd-analyze find nothing to say about the units.
func TestUnitsVerify(t *testing.T) {
	need(t, "systemd-analyze")
	dir := t.TempDir()
	var args []string
	for name, text := range units(t) {
		// The program is not where systemd looks for it while it is not installed.
		write(t, filepath.Join(dir, name), []byte(strings.Replace(text, "ExecStart=motefs ", "ExecStart="+binary+" ", 1)))
		args = append(args, filepath.Join(dir, strings.Replace(name, "@.", "@files.", 1)))
	}
	cmd := process.Command("systemd-analyze", append([]string{"verify", "--man=no"}, args...)...)
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	p := process.Start(t, cmd)
	if status := p.Wait(); status != 0 {
		t.Errorf("status %d: %s", status, p)
	}
	// It also says what it finds in other units of the machine.
	for _, line := range lines(p.Stdout.String() + p.Stderr.String()) {
		if strings.Contains(line, dir) || strings.Contains(line, "motefs") {
			t.Error(line)
		}
	}
}

// TestUnitsNameRealFlagsAndStatuses holds the units to the program.
func TestUnitsNameRealFlagsAndStatuses(t *testing.T) {
	real := map[int]bool{}
	for _, status := range []int{exitUsage, exitMountpoint, exitStore, exitOrigin, exitFailed, exitDamaged, exitNewer, exitDisk, exitInterrupted} {
		real[status] = true
	}
	for name, text := range units(t) {
		for _, m := range regexp.MustCompile(`(?m)^ExecStart=motefs (\w+) (.*)$`).FindAllStringSubmatch(text, -1) {
			help := finish(t, exitOK, m[1], "--help").Stdout.String()
			for _, flag := range regexp.MustCompile("--[a-z-]+").FindAllString(m[2], -1) {
				if !strings.Contains(help, flag) {
					t.Errorf("%s: motefs %s has no %s", name, m[1], flag)
				}
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:SuccessExitStatus|RestartPreventExitStatus)=(.*)$`).FindAllStringSubmatch(text, -1) {
			for _, word := range strings.Fields(m[1]) {
				if status, err := strconv.Atoi(word); err != nil || !real[status] {
					t.Errorf("%s: there is no status %s", name, word)
				}
			}
		}
		if strings.Contains(text, "RestartPreventExitStatus=") && regexp.MustCompile(`RestartPreventExitStatus=.*\b5\b`).MatchString(text) {
			t.Errorf("%s: an origin that is down is not tried again", name)
		}
	}
}

// TestMountUnitHasNoNamespace looks for settings that would hide the mount from everybody
// else, by systemd.exec(5).
func TestMountUnitHasNoNamespace(t *testing.T) {
	hides := regexp.MustCompile(`(?m)^(?:Private(?:Tmp|Devices|Mounts|Users|IPC)|Protect(?:System|Home|Kernel\w+|ControlGroups|Clock|Proc|Hostname)|ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|ExecPaths|NoExecPaths|BindPaths|BindReadOnlyPaths|TemporaryFileSystem|RootDirectory|RootImage|DynamicUser|MountFlags|ProcSubset|MountAPIVFS)=`)
	if found := hides.FindAllString(units(t)["motefs@.service"], -1); found != nil {
		t.Errorf("motefs@.service has %q", found)
	}
}

// TestBootGuide has each line for fstab and each map of docs/boot.md be taken, and holds its
// flags to those of the program.
func TestBootGuide(t *testing.T) {
	text, err := os.ReadFile("docs/boot.md")
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(os.Stdout, os.Stderr)
	flags := mountCommand(a).Flags()
	a.registerLog(flags)
	try := func(line, from, dir, options string) {
		call, err := mountopts.Parse([]string{strings.ReplaceAll(from, `\040`, " "), dir, "-o", options})
		if err == nil {
			_, _, err = call.Args(flags)
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	found := 0
	for _, line := range lines(string(text)) {
		switch fields := strings.Fields(line); {
		case len(fields) == 6 && fields[2] == "motefs":
			try(line, fields[0], fields[1], fields[3])
			found++
		case len(fields) == 3 && strings.HasPrefix(fields[1], "-fstype=motefs"):
			try(line, strings.ReplaceAll(fields[2][1:], `\:`, ":"), fields[0], strings.TrimPrefix(fields[1], "-fstype=motefs"))
			found++
		}
	}
	if found < 5 {
		t.Errorf("only %d lines are seen", found)
	}
	help := finish(t, exitOK, "mount", "--help").Stdout.String() + finish(t, exitOK, "mirror", "--help").Stdout.String()
	for _, flag := range regexp.MustCompile("--[a-z][a-z-]+").FindAllString(string(text), -1) {
		if !strings.Contains(help, flag) && flag != "--now" && flag != "--timeout" {
			t.Errorf("boot.md tells of %s, which no command has", flag)
		}
	}
}

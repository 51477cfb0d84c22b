package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest"
)

// guides are the texts of all guides below cmd/motefs/docs.
func guides(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) < 5 {
		t.Fatalf("%q: %v", files, err)
	}
	text := ""
	for _, file := range files {
		text += document(t, filepath.Join("cmd", "motefs", file))
	}
	return text
}

// TestGuidesLinkToWhatIsThere follows the links of README.md and the guides to files.
func TestGuidesLinkToWhatIsThere(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d links are seen", seen)
	}
}

// TestTroubleshootingNamesRealMessages looks for each message of troubleshooting.md in the
// sources.
func TestTroubleshootingNamesRealMessages(t *testing.T) {
	var sources strings.Builder
	if err := filepath.WalkDir("../..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		sources.Write(text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range regexp.MustCompile("(?m)^\\| [^|]* \\| `([^`]+)` \\|").FindAllStringSubmatch(document(t, "cmd/motefs/docs/troubleshooting.md"), -1) {
		if seen++; !strings.Contains(sources.String(), m[1]) {
			t.Errorf("troubleshooting.md tells of the message %q, which motefs does not have", m[1])
		}
	}
	if seen < 20 {
		t.Errorf("only %d messages are seen", seen)
	}
}

// TestReadmeByHand runs the commands that README.md gives, with another port, another
// directory and fewer files.
func TestReadmeByHand(t *testing.T) {
	_, rest, ok := strings.Cut(document(t, "README.md"), "By hand:\n\n```sh\n")
	script, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("README.md has no commands to try by hand")
	}
	script = strings.NewReplacer("make build\n", "", "bin/motefs", "motefs", "/tmp/files", "$HOME/files", "--synthetic 1000000", "--synthetic 2000").Replace(script)
	out := byHand(t, script, 2000)
	if !strings.Contains(out, "file-000000000000") || !strings.Contains(out, "0000000") {
		t.Errorf("it prints\n%s", out)
	}
}

// TestGettingStarted runs every command of the guide that begins with motefs, one block
// after the other in one shell.
func TestGettingStarted(t *testing.T) {
	script := ""
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(document(t, "cmd/motefs/docs/getting-started.md"), -1) {
		script += m[1]
	}
	out := byHand(t, script, 5000)
	for _, want := range []string{"file-000000000", "the mirror is complete", "5,000 unchanged", "the store is sound", "\n500000\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// byHand runs commands as a user does, with a home and a port of their own, who waits
// after a command in the background until it serves files, and all are listed.
func byHand(t *testing.T, script string, files int) string {
	t.Helper()
	fusetest.Need(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	home := t.TempDir()
	mnt := filepath.Join(home, "files")
	var paced strings.Builder
	paced.WriteString("trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n") // of a command that fails too
	for _, line := range lines(strings.NewReplacer("127.0.0.1:8080", addr, "motefs serve", "motefs serve --listen "+addr).Replace(script)) {
		fmt.Fprintln(&paced, line)
		command, _, _ := strings.Cut(line, "#")
		background := strings.HasSuffix(strings.TrimSpace(command), "&")
		switch {
		case !background && !strings.Contains(command, " --daemon "):
		case strings.Contains(command, " serve "):
			fmt.Fprintf(&paced, "until (: </dev/tcp/%s) 2>/dev/null; do sleep 0.05; done\n", strings.Replace(addr, ":", "/", 1))
		default:
			fmt.Fprintf(&paced, "until mountpoint -q %s && [ $(ls %s | wc -l) -ge %d ]; do sleep 0.05; done\n", mnt, mnt, files)
		}
	}
	path := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(path, "motefs")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-ec", paced.String())
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME=", "PATH="+path+":"+os.Getenv("PATH"))
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nprints:\n%s", err, paced.String(), out)
	}
	if left := mountsBelow(mnt); len(left) > 0 {
		t.Errorf("still mounted: %q", left)
		_ = exec.Command("umount", "-l", mnt).Run()
	}
	return string(out)
}

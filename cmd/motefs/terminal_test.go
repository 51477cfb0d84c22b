package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/wire/wiretest"
)

// evil is text that a terminal would obey, that turns what follows around, and that
// would look like a line of its own. Of it, only "gpj" is sure to come out.
const evil = "\x1b]0;pwned\a\x1b[5;45m\x1b[2J\u009b31m\u202egpj.\u2066\u2028\x7f\b\r\nforged: all is well\n"

// evilHead is as much of it as fits into the head of a response.
const evilHead = "\u009b31m\u202egpj\x9b2J"

// ours is what motefs itself sends to a terminal: the live line's erasing and the
// colours of the log, none of which is in evil. The terminal makes CR LF of LF.
var ours = regexp.MustCompile(`\r\n|\r(?:\x1b\[\d+A)?\x1b\[2K|\x1b\[1B\x1b\[2K|\x1b\[\d+A|\x1b\[(?:0|1|3[0-7]|90)m`)

// raw returns the first character of text that a terminal obeys, and whether there
// is one.
func raw(text string) (string, bool) {
	for i, r := range text {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' {
			return fmt.Sprintf("%q", text[max(0, i-40):min(len(text), i+20)]), true
		}
	}
	return "", false
}

// checkPlain checks that nothing raw is in what a process printed, and that what it
// should have escaped is there.
func checkPlain(t *testing.T, p *process.Process, terminal bool) {
	t.Helper()
	text := p.Stdout.String() + p.Stderr.String()
	if terminal {
		text = ours.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\n", strings.Count(s, "\r\n")) })
	}
	if bad, ok := raw(text); ok {
		t.Errorf("%q prints %s", p.Cmd.Args, bad)
	}
	if strings.Contains(text, "\nforged") {
		t.Errorf("%q prints a line that is not its own:\n%s", p.Cmd.Args, text)
	}
	if !strings.Contains(text, "gpj") {
		t.Errorf("%q tells nothing of what it was given:\n%s", p.Cmd.Args, text)
	}
}

// onTerminal runs a program on a terminal of its own, and passes on what comes.
const onTerminal = `
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
`

// surroundings are how output comes to be seen.
var surroundings = []struct {
	name     string
	args     []string
	terminal bool
}{
	{"console", nil, false},
	{"json", []string{"--log-format", "json"}, false},
	{"console on a terminal", nil, true},
	{"json on a terminal", []string{"--log-format", "json"}, true},
}

// startIn starts motefs in one of the surroundings, telling all that it can.
func startIn(t *testing.T, at int, args ...string) *process.Process {
	t.Helper()
	in := surroundings[at]
	cmd := motefs(t, append(append([]string{args[0], "--log-level", "debug"}, in.args...), args[1:]...)...)
	if in.terminal {
		need(t, "python3")
		on := process.Command("python3", append([]string{"-c", onTerminal}, cmd.Args...)...)
		on.Env, cmd = cmd.Env, on
	}
	return process.Start(t, cmd)
}

// evilOrigin lists files with evil names, which are answered as their beginnings
// say; second is its answer to a request for the second page.
func evilOrigin(t *testing.T, second string, kinds ...string) *wiretest.Server {
	t.Helper()
	names := []string{`"good"`, marshalled(t, "dir"+evil+"/in"), marshalled(t, strings.Repeat(evil, 1000))}
	for _, kind := range kinds {
		names = append(names, marshalled(t, kind+evil))
	}
	page := fmt.Sprintf(`{"FileNames": [%s], "NextFile": %s}`, strings.Join(names, ","), marshalled(t, evil))
	return wiretest.Serve(t, func(c *wiretest.Conn) {
		for {
			target, ok := c.Next()
			switch {
			case !ok:
				return
			case strings.HasSuffix(target, "/list"):
				c.File(page)
			case strings.Contains(target, "/list?"):
				c.Say("%s", second)
			case strings.Contains(target, "/refused"):
				c.Say("HTTP/1.1 403 \x1b[2J%s\r\nContent-Length: 0\r\n\r\n", evilHead)
			case strings.Contains(target, "/moved"):
				c.Say("HTTP/1.1 302 %[1]s\r\nLocation: http://elsewhere/%[1]s\r\nContent-Length: 0\r\n\r\n", evilHead)
			case strings.Contains(target, "/encoded"):
				c.Say("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: 2\r\n\r\nno", evilHead)
			case strings.Contains(target, "/huge"):
				c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10000000000000\r\n\r\n")
			case strings.Contains(target, "/long"):
				c.Say("HTTP/1.1 200 %s\r\nContent-Length: 100000\r\n\r\n%s", evilHead, strings.Repeat("x", 100_000))
			default:
				c.File(target)
			}
		}
	})
}

func marshalled(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTerminals has an origin and a store say what terminals obey, in every place
// where motefs shows it: nothing of it comes out as it is, on a terminal or off it.
func TestTerminals(t *testing.T) {
	t.Parallel()
	seconds := []struct {
		what, answer string
		status       int
	}{
		{"files", wiretest.OK(`{"FileNames": ["last"]}`), exitFailed},
		{"a page", "HTTP/1.1 200 OK\r\nContent-Type: " + evilHead + "\r\nContent-Length: 90\r\n\r\n" + (evil + evil)[:90], exitOrigin},
		{"a marker", wiretest.OK(`{"FileNames": [], "NextFile": ` + marshalled(t, evil) + `}`), exitOrigin},
		{"a head", "HTTP/1.1 \x1b[2J" + evilHead + "\r\n\r\n", exitOrigin},
		{"a place", "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/" + evilHead + "\r\nContent-Length: 0\r\n\r\n", exitOrigin},
	}
	for at, in := range surroundings {
		for _, second := range seconds {
			t.Run(in.name+"/"+second.what, func(t *testing.T) {
				// Only of these is it certain at once that they do not come.
				s := evilOrigin(t, second.answer, "encoded", "huge", "long")
				store := filepath.Join(t.TempDir(), "store")
				outage := "10ms"
				if second.status == exitFailed {
					outage = "1m" // it does not come to that
				}
				p := startIn(t, at, "mirror", "--outage", outage, "--store", store, s.URL())
				if status := p.Wait(); status != second.status {
					t.Errorf("status %d: %s", status, p)
				}
				checkPlain(t, p, in.terminal)
				if second.status != exitFailed {
					return
				}
				blobs := lines(shell(t, `ls "$1"/blobs/*/*`, store))
				if len(blobs) != 1 {
					t.Fatalf("blobs %q", blobs)
				}
				if err := os.Truncate(blobs[0], 1000); err != nil {
					t.Fatal(err)
				}
				p = startIn(t, at, "failures", "--store", store)
				if p.Wait(); strings.Count(p.Stdout.String(), " tries\t") != 2 {
					t.Errorf("not two failed files: %s", p)
				}
				checkPlain(t, p, in.terminal)
				p = startIn(t, at, "verify", "--store", store)
				if status := p.Wait(); status != exitDamaged || !strings.Contains(p.Stdout.String(), "problem: ") {
					t.Errorf("status %d: %s", status, p)
				}
				if bad, ok := raw(p.Stderr.String()); ok {
					t.Error(bad)
				}
			})
		}
	}
}

// TestTerminalOfAMount reads files with evil names in a mount, of which the log
// tells, while others try to use its store, of which OWNER is evil.
func TestTerminalOfAMount(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	for at, in := range surroundings {
		t.Run(in.name, func(t *testing.T) {
			s := evilOrigin(t, wiretest.OK(`{"FileNames": ["last"]}`), "refused", "moved", "encoded", "huge", "long")
			m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
			t.Cleanup(m.clear)
			p := startIn(t, at, "mount", "--store", m.store, s.URL(), m.dir)
			p.Says("serving")
			shell(t, `cat "$1"/* >/dev/null 2>&1 || true; ls -l "$1" >/dev/null 2>&1 || true`, m.dir)
			write(t, filepath.Join(m.store, "OWNER"), []byte(evil))
			locked := startIn(t, at, "mirror", "--store", m.store, s.URL())
			if status := locked.Wait(); status != exitStore {
				t.Errorf("status %d: %s", status, locked)
			}
			checkPlain(t, locked, in.terminal)
			for _, args := range [][]string{{"status", m.dir}, {"status", "--json", m.dir}, {"failures", m.dir}} {
				asking := startIn(t, at, args...)
				if status := asking.Wait(); status != exitOK {
					t.Errorf("status %d: %s", status, asking)
				}
				if bad, ok := raw(ours.ReplaceAllString(asking.Stdout.String()+asking.Stderr.String(), "\n")); ok {
					t.Errorf("%q prints %s", args, bad)
				}
			}
			finish(t, exitOK, "unmount", m.dir)
			if status := p.Wait(); status != exitOK {
				t.Errorf("status %d: %s", status, p)
			}
			checkPlain(t, p, in.terminal)
		})
	}
}

// TestTerminalOfAStore opens a store that somebody made of an origin with an evil
// name.
func TestTerminalOfAStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	store, err := cache.Open(cache.Options{Dir: dir, Origin: "http://host/" + evil})
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for at, in := range surroundings {
		for _, args := range [][]string{{"verify", "--store", dir}, {"mirror", "--store", dir, "http://host"}, {"verify", "--store", dir, "http://host"},
			{"verify", "--store", filepath.Join(dir, evil)}, {"mirror", "--connections", evil, "http://host"}, {"mirror", evil}, {"--" + evil},
			{"status", "--store", dir}, {"status", "--json", "--store", dir}, {"status", "--store", filepath.Join(dir, evil)}, {"status", filepath.Join(dir, evil)},
			{"status", "http://host/" + evil}, {"failures", "--store", filepath.Join(dir, evil)}, {"stores", "remove", "--yes", filepath.Join(dir, evil)},
			{"mirror", "--json", "--store", dir, "http://host"}} {
			p := startIn(t, at, args...)
			p.Wait()
			checkPlain(t, p, in.terminal)
		}
	}
}

// TestPrintable holds what printable does with every character, and with random
// bytes, also in the middle of JSON.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, ünï, 漢字\tand\n": "plain, ünï, 漢字\tand\n", "\x1b[2J": `\u001b[2J`, "a\x9bb\xff": `a\x9bb\xff`, "\u009b": `\u009b`,
		"\u202e\U000e0041": `\u202e\udb40\udc41`, "\x7f\x00\r": `\u007f\u0000\u000d`, "\ufffd\x80": "\ufffd\\x80",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	step := rune(1)
	if raceEnabled { // make test has all of them without the race detector
		step = 7
	}
	for r := rune(0); r <= unicode.MaxRune; r += step {
		text := string(r)
		got := printable(text)
		if bad, ok := raw(got); ok && text != "\ufffd" {
			t.Fatal(bad)
		}
		var back string
		if quoted := marshalled(t, text); json.Unmarshal([]byte(printable(quoted)), &back) != nil || back != text {
			t.Fatalf("%q in JSON becomes %q", text, back)
		}
	}
	const seed = 8
	random := rand.New(rand.NewPCG(seed, 0))
	for range 10_000 {
		text := make([]byte, random.IntN(20))
		for i := range text {
			text[i] = byte(random.Uint32())
		}
		if bad, ok := raw(oneLine(string(text))); ok || strings.Contains(oneLine(string(text)), "\n") {
			t.Fatalf("seed %d: %q: %s", seed, text, bad)
		}
	}
}

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestClusterStatusNames shows what others may write into NATS, which is not to reach a terminal.
func TestClusterStatusNames(t *testing.T) {
	const clear = "\x1b[2J"
	m := natsbus.Mirror{ID: "id" + clear, Lister: clear, Reports: map[string][]byte{
		"p" + clear: []byte(`{"working":[{"seq":1,"seconds":1e300}],"idle":-1,"leader":{"segments":1,"sealed":2}}`),
	}}
	lines := clusterStatusOf(&m).lines()
	if text := strings.Join(lines, "\n"); strings.Contains(text, "\x1b") || !strings.Contains(text, "0 left") {
		t.Errorf("%q", text)
	}
}

// TestClusterStatusNote: the note that NATS keeps of a mirror that is complete says so when all
// processes have ended.
func TestClusterStatusNote(t *testing.T) {
	m := natsbus.Mirror{ID: "id", Complete: []byte(`{"complete":true,"leader":{"listed":30,"listing_complete":true,"segments":3,"sealed":3,"fetched":30}}`)}
	text := strings.Join(clusterStatusOf(&m).lines(), "\n")
	for _, want := range []string{"mirror id: complete\n", "listed    30\n", "fetched   30", "0 left"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	m.Complete = []byte("another version's")
	if st := clusterStatusOf(&m); st.Complete {
		t.Errorf("%+v of a note that is none", st)
	}
}

// TestClusterStatusAtTheEnd: a mirror that is complete is said to be, by what was reported last, and
// by the object store where nobody is there any more, nor NATS.
func TestClusterStatusAtTheEnd(t *testing.T) {
	t.Parallel()
	m := natsbus.Mirror{ID: "id", Lister: "gone", Reports: map[string][]byte{
		"a": []byte(`{"leader":{"epoch":7,"segments":3,"sealed":2,"listed":30,"fetched":20}}`),
		"b": []byte(`{"complete":true,"files":9,"leader":{"listed":30,"listing_complete":true,"segments":3,"sealed":3,"fetched":30}}`),
	}}
	text := strings.Join(clusterStatusOf(&m).lines(), "\n")
	for _, want := range []string{"mirror id: complete\n", "fetched   30", "0 left", "b  is done  9 files"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	left := natsbus.Mirror{ID: "id", Complete: []byte(`{"complete":true,"leader":{"listed":30,"listing_complete":true,"segments":3,"sealed":3,"fetched":30}}`)}
	text = strings.Join(clusterStatusOf(&left).lines(), "\n")
	if want := "mirror id: complete\n  listed    30\n  fetched   30"; !strings.Contains(text, want) {
		t.Errorf("with nobody there it says %s", text)
	}
	s := serveTest(t, serve.Options{}, synthetic(300))
	url := "file://" + filepath.Join(t.TempDir(), "objects")
	args := []string{"status", "--cluster", "nats://127.0.0.1:1", "--segments", url}
	if p := finish(t, exitOrigin, args...); !strings.Contains(p.Stderr.String(), "check the path") {
		t.Errorf("of no mirror it says %s", p)
	}
	finish(t, exitOK, "mirror", "--segments", url, "--cluster", "embedded", "--cluster-listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "work"), s.URL())
	if out := finish(t, exitOK, args...).Stdout.String(); !strings.Contains(out, ": complete\n  listed    300\n  fetched   300") {
		t.Errorf("it says %s", out)
	}
	var st clusterStatus
	if err := json.Unmarshal([]byte(finish(t, exitOK, append(args, "--json")...).Stdout.String()), &st); err != nil || !st.Complete || st.Totals == nil || st.Totals.Fetched != 300 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestClusterStatusWithoutNATS: with NATS away status says so in one line that names what is left to
// ask, and of a mirror that is half there what its object store has.
func TestClusterStatusWithoutNATS(t *testing.T) {
	t.Parallel()
	const nowhere = "nats://127.0.0.1:1"
	p := finish(t, exitError, "status", "--cluster", nowhere)
	if text := p.Stderr.String(); strings.Count(text, nowhere) != 1 || !strings.Contains(text, "no servers available") || !strings.Contains(text, "with --segments it says") {
		t.Errorf("with no NATS it says %q", text)
	}
	for _, servers := range []string{"http://127.0.0.1:1", "nats://", "a,,b"} {
		p := finish(t, exitUsage, "status", "--cluster", servers)
		if text := p.Stderr.String(); strings.Count(text, "nats://HOST:PORT") != 1 || !strings.Contains(text, "--cluster") {
			t.Errorf("of %q it says %q", servers, text)
		}
	}
	g := startGrowing(t, 1300)
	var out string
	eventually.True(t, "a segment is sealed", func() bool {
		out = finish(t, exitOK, "status", "--segments", g.url).Stdout.String()
		return strings.Contains(out, "listed    400 so far")
	})
	for _, want := range []string{": not complete; with --cluster it says who works at it\n", "fetched   400", "segments  1 sealed\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %s", want, out)
		}
	}
	p = finish(t, exitError, "status", "--cluster", nowhere, "--segments", g.url)
	if out, text := p.Stdout.String(), p.Stderr.String(); !strings.Contains(out, ": not complete, and no process is heard\n  listed    400 so far") || !strings.Contains(text, nowhere) || strings.Contains(text+out, "with --segments it") {
		t.Errorf("of half a mirror it says %s", p)
	}
}

// TestClusterStatusWaits: who waits for files that did not come is said to.
func TestClusterStatusWaits(t *testing.T) {
	m := natsbus.Mirror{ID: "id", Reports: map[string][]byte{
		"a": []byte(`{"working":[{"seq":0,"seconds":61,"waiting":true},{"seq":4,"seconds":1}]}`), "b": []byte(`{"working":[{"seq":7,"seconds":2}]}`),
	}}
	text := strings.Join(clusterStatusOf(&m).lines(), "\n")
	if !strings.Contains(text, "a  works at 2 segments, for 1m01s, 1 of them waiting for files that did not come  ") || !strings.Contains(text, "b  works at 1 segment, for 2s  ") {
		t.Errorf("it says %s", text)
	}
}

// TestClusterStatusFirst: before a segment is whole nothing is said of segments that reads as if all
// were done.
func TestClusterStatusFirst(t *testing.T) {
	m := natsbus.Mirror{ID: "id", Lister: "a", Reports: map[string][]byte{"a": []byte(`{"files":9,"working":[{"seq":0,"seconds":1}],"leader":{"epoch":1,"listed":30}}`)}}
	text := strings.Join(clusterStatusOf(&m).lines(), "\n")
	if !strings.Contains(text, "segments  none is sealed yet") || strings.Contains(text, "0 left") {
		t.Errorf("it says %s", text)
	}
}

// TestClusterStatusFits: on a terminal nothing is cut off, and a sentence stays one.
func TestClusterStatusFits(t *testing.T) {
	m := natsbus.Mirror{ID: "id", Reports: map[string][]byte{
		strings.Repeat("host", 12): []byte(`{"working":[{"seq":1,"seconds":7}],"files":1234567,"bytes":5000000}`),
	}}
	lines := append(clusterStatusOf(&m).lines(), "a sentence of some words; "+strings.Repeat("word ", 30)+"at its end")
	for columns := 20; columns < 200; columns++ {
		got := wrapped(lines, columns)
		for _, line := range got {
			if text.Width(line) > columns {
				t.Errorf("%q takes more than %d columns", line, columns)
			}
		}
		for _, want := range lines {
			if all := strings.Join(strings.Fields(strings.Join(got, " ")), ""); !strings.Contains(all, strings.ReplaceAll(want, " ", "")) {
				t.Errorf("in %d columns %q is not all of %q", columns, got, want)
			}
		}
		if strings.Contains(strings.Join(got, "\n"), "some  words") {
			t.Errorf("in %d columns %q", columns, got)
		}
	}
	// Work is at hand before anything is sealed.
	m.Reports["p"] = []byte(`{"working":[{"seq":0,"seconds":1}],"leader":{"epoch":1}}`)
	if all := strings.Join(clusterStatusOf(&m).lines(), "\n"); !strings.Contains(all, "segments  none is sealed yet") {
		t.Errorf("it says %s", all)
	}
}

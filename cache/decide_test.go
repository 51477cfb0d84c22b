package cache

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	haveWords     = map[have]string{haveNothing: "nothing", havePending: "pending", haveFailed: "failed", haveHere: "here", haveGone: "gone", haveDir: "a directory"}
	eventWords    = map[event]string{onListed: "listed", onRelisted: "listed again", onChanged: "listed changed", onAsked: "a reader asks", onUnlisted: "not listed any more", onReview: "compared", onDir: "a directory of that name", onCame: "content", onDiffers: "another content", onSame: "the same, 304", onMissing: "404, listed", onRemoved: "404, not listed", onFailed: "no answer"}
	decisionWords = map[decision]string{keep: "keep", add: "add", ask: "ask", fill: "fill", vanish: "vanish", note: "note", renew: "renew", replace: "replace", remove: "remove", yield: "yield"}
)

// TestDecisions compares the table of decide.go with that of STORE.md.
func TestDecisions(t *testing.T) {
	text, err := os.ReadFile("STORE.md")
	if err != nil {
		t.Fatal(err)
	}
	// Each row that begins with a word for what the store has; there are two tables.
	shown := map[string][]string{}
	heads := []string(nil)
	for line := range strings.Lines(string(text)) {
		cells := regexp.MustCompile(`\s*\|\s*`).Split(strings.Trim(strings.TrimSpace(line), "| "), -1)
		if len(cells) < 6 {
			continue
		}
		if cells[0] == "the store has" {
			heads = append(heads, cells[1:]...)
		}
		for _, word := range haveWords {
			if cells[0] == word {
				shown[word] = append(shown[word], cells[1:]...)
			}
		}
	}
	if len(heads) != int(events) {
		t.Fatalf("STORE.md has %d columns, and there are %d events", len(heads), events)
	}
	for h := range haves {
		for ev := range events {
			k := -1
			for i, head := range heads {
				if head == eventWords[ev] {
					k = i
				}
			}
			row := shown[haveWords[h]]
			if k < 0 || k >= len(row) {
				t.Errorf("STORE.md does not tell of %s × %s", haveWords[h], eventWords[ev])
				continue
			}
			want := decisionWords[decide(h, ev)]
			if row[k] != want {
				t.Errorf("%s × %s is %s, and STORE.md says %s", haveWords[h], eventWords[ev], want, row[k])
			}
		}
	}
}

// TestDecisionsHoldTheirPromises checks what must be true of any such table.
func TestDecisionsHoldTheirPromises(t *testing.T) {
	for h := range haves {
		for ev := range events {
			d := decide(h, ev)
			what := fmt.Sprint(haveWords[h], " × ", eventWords[ev], ": ", decisionWords[d])
			if d == remove && ev != onRemoved {
				t.Errorf("%s: only what is not listed, and not there, is removed", what)
			}
			if d == replace && ev != onDiffers {
				t.Errorf("%s: only a content that was compared replaces one", what)
			}
			if h == haveHere && ev <= onReview && d != keep && d != ask {
				t.Errorf("%s: what is here stays until there is an answer", what)
			}
			if d == vanish && h == haveHere {
				t.Errorf("%s: what is here does not vanish", what)
			}
			if d == renew && (ev != onChanged || h != havePending && h != haveFailed) {
				t.Errorf("%s: only what is not here is another by what a listing says", what)
			}
			if (h == havePending || h == haveFailed) && ev == onDiffers && d != replace {
				t.Errorf("%s: what was promised of a number stays true", what)
			}
			if d == add && h != haveNothing {
				t.Errorf("%s: a name has one number", what)
			}
		}
	}
}

package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
)

// TestFailures: they come page by page over the socket, each once, however long their names
// are and whatever is in them; and none once the source is closed.
func TestFailures(t *testing.T) {
	store := &fakeStore{dir: t.TempDir(), progress: cache.Progress{Failed: 2500}}
	for i := range 2500 {
		name := fmt.Sprintf("file-%d", i)
		switch {
		case i == 7:
			name = "\xff\x1b[2J"
		case i%100 == 0:
			name = strings.Repeat("n", cache.MaxName)
		}
		store.failures = append(store.failures, cache.Failure{Name: name, When: 1_700_000_000, Tries: i, Verdict: cache.Final, Reason: "origin answered status 418"})
	}
	source := New(Options{Store: store, Command: "mirror"})
	server, err := Serve(store.dir, source)
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(store.dir)
	defer client.Close()
	seen, pages := 0, 0
	for from := uint64(0); ; pages++ {
		page, err := client.Failures(context.Background(), from)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Failures {
			want := store.failures[seen]
			name := f.Name
			if f.NameBytes != nil {
				name = string(f.NameBytes)
			}
			if name != want.Name || f.Tries != seen || f.Inode != uint64(seen) || f.ReasonClass != "http_418" || f.Verdict != "final" || !f.LastTried.Equal(time.Unix(want.When, 0)) {
				t.Fatalf("%d: %+v", seen, f)
			}
			seen++
		}
		if page.Next == nil {
			break
		}
		from = *page.Next
	}
	if seen != 2500 || pages < 3 {
		t.Errorf("%d failures in %d pages", seen, pages)
	}
	if err := errors.Join(server.Close(), source.Close()); err != nil {
		t.Error(err)
	}
	if page, err := source.Failures(0); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %+v, %v", page, err)
	}
}

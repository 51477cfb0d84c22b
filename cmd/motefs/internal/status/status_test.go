package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
)

// fakeStore counts what a test says.
type fakeStore struct {
	dir      string
	progress cache.Progress
	failures []cache.Failure
	scans    int
	short    bool
}

func (f *fakeStore) Origin() string           { return "http://origin.test" }
func (f *fakeStore) Dir() string              { return f.dir }
func (f *fakeStore) Progress() cache.Progress { return f.progress }
func (f *fakeStore) Short() bool              { return f.short }
func (f *fakeStore) Free() (uint64, error)    { return 1 << 30, nil }
func (f *fakeStore) Failures(from cache.Inode, fn func(cache.Inode, cache.Failure) bool) error {
	f.scans++
	for i, failure := range f.failures {
		if cache.Inode(i) < from {
			continue
		}
		if !fn(cache.Inode(i), failure) {
			break
		}
	}
	return nil
}

// fields are those of version 1 of the object. Some may be added; none is ever taken away or
// renamed, as others read them.
const fields = "holder average_files_per_second average_bytes_per_second command connections connections_limit content_bytes directories disk_bytes disk_free_bytes " +
	"failed failed_by_reason fetched files_per_second bytes_per_second gone last_error last_error_at listed listed_at listing_complete " +
	"mount mountpoint names_per_second origin origin_up pending pid prefetch refresh requests run_bytes run_files " +
	"schema_version seconds_active seconds_elapsed seconds_remaining skipped slowed started_at state store throttled_until time version"

// TestFields holds the object to its fields, each of which the document explains.
func TestFields(t *testing.T) {
	text, err := json.Marshal(Status{})
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(fields) {
		if _, ok := object[name]; !ok {
			t.Errorf("no field %s any more, which others read", name)
		}
	}
	if got, want := len(object), len(strings.Fields(fields)); got != want {
		t.Errorf("%d fields %v, and %d in the test: add the new ones", got, slices.Sorted(maps.Keys(object)), want)
	}
}

// TestUnknownIsNull: what is not known is null, and never 0 or false.
func TestUnknownIsNull(t *testing.T) {
	s := New(Options{Store: &fakeStore{dir: t.TempDir()}})
	defer s.Close()
	text, err := json.Marshal(s.Status())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("pid command mountpoint origin_up seconds_remaining files_per_second throttled_until last_error mount connections") {
		if !strings.Contains(string(text), fmt.Sprintf("%q:null", name)) {
			t.Errorf("%s is not null at rest: %s", name, text)
		}
	}
}

// TestRatesAndRemaining: rates are over the last seconds, and what is left by them.
func TestRatesAndRemaining(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	store := &fakeStore{dir: t.TempDir(), progress: cache.Progress{Files: 1000, ListingComplete: true, Fetched: 100, Bytes: 1000}}
	s := New(Options{Store: store, Command: "mirror", Now: func() time.Time { return now }})
	defer s.Close()
	s.Set(Mirroring)
	if st := s.Status(); st.FilesPerSecond != nil || st.SecondsRemaining != nil {
		t.Errorf("rates without time between: %+v", st)
	}
	now = now.Add(4 * time.Second)
	store.progress.Fetched, store.progress.Bytes = 300, 3000
	st := s.Status()
	if *st.FilesPerSecond != 50 || *st.BytesPerSecond != 500 || *st.NamesPerSecond != 0 || *st.SecondsRemaining != 14 {
		t.Errorf("%d files/s, %d bytes/s, %d names/s, %d s left", *st.FilesPerSecond, *st.BytesPerSecond, *st.NamesPerSecond, *st.SecondsRemaining)
	}
	if *st.RunFiles != 200 || *st.RunBytes != 2000 || *st.SecondsElapsed != 4 || *st.SecondsActive != 4 {
		t.Errorf("of the run: %d files, %d bytes, %d s, %d s active", *st.RunFiles, *st.RunBytes, *st.SecondsElapsed, *st.SecondsActive)
	}
	s.Set(Serving)
	now = now.Add(time.Hour)
	if st = s.Status(); *st.SecondsActive != 4 || *st.SecondsElapsed != 3604 || st.State != Serving {
		t.Errorf("after an idle hour: %d s active of %d, %s", *st.SecondsActive, *st.SecondsElapsed, st.State)
	}
}

// TestStates: what keeps work from going on is its state.
func TestStates(t *testing.T) {
	store := &fakeStore{dir: t.TempDir()}
	s := New(Options{Store: store, Command: "mount"})
	defer s.Close()
	if got := s.Status().State; got != Starting {
		t.Errorf("at first %s", got)
	}
	s.Set(Listing)
	store.short = true
	if got := s.Status().State; got != NoRoom {
		t.Errorf("with a full disk %s", got)
	}
	store.short = false
	s.Fail(errors.New("the origin said no"))
	if st := s.Status(); st.State != Failed || st.LastError == nil || *st.LastError != "the origin said no" || st.LastErrorAt == nil {
		t.Errorf("after a failure %+v", st)
	}
	for complete, want := range map[bool]State{true: Complete, false: Stopped} {
		store.progress.ListingComplete = complete
		rest := New(Options{Store: store})
		if got := rest.Status().State; got != want {
			t.Errorf("at rest %s, want %s", got, want)
		}
		rest.Close()
	}
}

// TestReasons: every kind of error that the engine records has a word, and an origin cannot
// make more of them than are bounded.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&mirror.StatusError{Code: 404}, "http_404"},
		{fmt.Errorf("get %q: %w", "a", &mirror.StatusError{Code: 503}), "http_503"},
		{&mirror.StatusError{Code: 599}, "http_599"},
		{errors.New("S3 answered status 403, AccessDenied: no"), "http_403"},
		{fmt.Errorf("%w: 17 bytes", mirror.ErrTooLarge), "too_large"},
		{mirror.ErrCut, "cut_short"},
		{mirror.ErrFraming, "malformed"},
		{mirror.ErrChecksum, "checksum"},
		{mirror.ErrRedirect, "redirect"},
		{errors.New("answered status x\x1b["), "other"},
	} {
		if got := ReasonOf(&cache.Failure{Reason: c.err.Error()}); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
	store := &fakeStore{dir: t.TempDir(), progress: cache.Progress{Failed: 1000}}
	for code := range 1000 {
		store.failures = append(store.failures, cache.Failure{Reason: fmt.Sprintf("origin answered status %03d", code)})
	}
	counts, err := countFailures(context.Background(), store)
	if err != nil || len(counts) > maxReasons+1 || counts[OtherReason] != 1000-maxReasons {
		t.Errorf("%d reasons, %d others: %v", len(counts), counts[OtherReason], err)
	}
}

// TestAskedOften: what has to be searched for is not searched for each time.
func TestAskedOften(t *testing.T) {
	store := &fakeStore{dir: t.TempDir(), progress: cache.Progress{Failed: 2}, failures: []cache.Failure{{Reason: "origin answered status 404"}, {Reason: "what"}}}
	if err := os.WriteFile(filepath.Join(store.dir, "x"), make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s := New(Options{Store: store, Command: "mirror", Now: func() time.Time { return now }})
	defer s.Close()
	for range 1000 {
		st := s.Status()
		if st.FailedByReason["http_404"] != 1 || st.FailedByReason[OtherReason] != 1 || st.DiskBytes == nil || *st.DiskBytes < 100_000 {
			t.Fatalf("%v, %v bytes", st.FailedByReason, st.DiskBytes)
		}
	}
	if store.scans != 1 {
		t.Errorf("the records were read %d times", store.scans)
	}
}

// TestDocument: docs/status.md tells of every field and state.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := json.Marshal([]any{Status{}, Mount{}, Refreshed{}, Failure{NameBytes: []byte("x")}, FailuresPage{}, Message{MessageType: "x", Next: new("x")}})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(string(objects), -1)
	for _, s := range []State{Starting, Listing, Mirroring, Refreshing, Serving, Complete, NoOrigin, NoRoom, Failed, Stopped, InUse, Unreadable, Verifying, Ended} {
		names = append(names, []string{"", string(s)})
	}
	for _, name := range []string{MessageStatus, MessageError, MessageSummary, MessageExit, OtherReason, NotCounted} {
		names = append(names, []string{"", name})
	}
	for _, r := range reasons {
		names = append(names, []string{"", r.reason})
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name[1]+"`") && !strings.Contains(string(text), `"`+name[1]+`"`) {
			t.Errorf("docs/status.md does not tell of %s", name[1])
		}
	}
	if len(names) < 60 {
		t.Errorf("only %d names are looked for", len(names))
	}
}

// BenchmarkStatus is what it costs to be asked.
func BenchmarkStatus(b *testing.B) {
	store, err := cache.Open(cache.Options{Dir: filepath.Join(b.TempDir(), "store"), Origin: "http://o.test"})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	s := New(Options{Store: store, Command: "mirror"})
	defer s.Close()
	for b.Loop() {
		if _, err := json.Marshal(s.Status()); err != nil {
			b.Fatal(err)
		}
	}
}

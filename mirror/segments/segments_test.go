package segments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

const testID = "0123456789abcdef0123456789abcdef"

func testReader(t *testing.T) Reader {
	t.Helper()
	return Reader{Store: objectstest.New(objectstest.Options{}), Mirror: testID}
}

// testNames is the head of a segment of one file.
func testNames(seq uint64, prev string) Names {
	first := cache.FirstInode + cache.Inode(seq)
	return Names{Seq: seq, Attempt: NewAttempt(), Prev: prev, Marker: "m", State: []byte{1}, Part: Part{First: first, Spare: first + 1, End: first + 1, Files: 1}}
}

func TestNamesOfObjects(t *testing.T) {
	attempt := NewAttempt()
	for _, seq := range []uint64{0, 1, 64, MaxSeq} {
		for prefix, name := range map[string]string{NamesPrefix: NamesName(seq), CommitsPrefix: CommitName(seq), ManifestsPrefix: ManifestName(seq)} {
			if got, full, ok := ParseSeq(prefix, name); got != seq || full || !ok {
				t.Errorf("%s is %d, %v, %v", name, got, full, ok)
			}
			if err := objects.CheckName(name); err != nil {
				t.Error(err)
			}
		}
		if got, full, ok := ParseSeq(ManifestsPrefix, FullName(seq)); got != seq || !full || !ok {
			t.Errorf("%s is %d, %v, %v", FullName(seq), got, full, ok)
		}
		for prefix, name := range map[string]string{ContentsPrefix: TableName(seq, attempt, 3), BlobsPrefix: BlobName(seq, attempt, 1<<62)} {
			if got, by, ok := ParseAttempt(prefix, name); got != seq || by != attempt || !ok {
				t.Errorf("%s is %d, %s, %v", name, got, by, ok)
			}
			if err := objects.CheckName(name); err != nil {
				t.Error(err)
			}
		}
	}
	if ManifestName(9) >= FullName(9) || FullName(9) >= ManifestName(10) {
		t.Error("manifests do not sort")
	}
	for _, name := range []string{"names/", "names/1", "names/0000000000001", "names/00000000000x", "names/000000000001.full", "commits/000000000001", "names/-00000000001"} {
		if _, _, ok := ParseSeq(NamesPrefix, name); ok {
			t.Errorf("%s was taken", name)
		}
	}
	for _, name := range []string{"contents/000000000001", "contents/000000000001-/0", "contents/000000000001-0123456789abcde/0", "contents/000000000001-0123456789ABCDEF/0", "contents/000000000001-0123456789abcdef"} {
		if _, _, ok := ParseAttempt(ContentsPrefix, name); ok {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestNamesSegment reads what was written, with heads shorter and longer than what is asked for
// at first.
func TestNamesSegment(t *testing.T) {
	ctx := t.Context()
	prev := ""
	r := testReader(t)
	for seq, marker := range []string{"m", strings.Repeat("x", headGuess-400), strings.Repeat("x", headGuess), strings.Repeat("x", 60_000)} {
		for _, size := range []int{0, 10, 100_000} {
			n := testNames(uint64(seq), prev)
			n.Marker = marker
			r := Reader{Store: objectstest.New(objectstest.Options{}), Mirror: testID}
			table, context := bytes.Repeat([]byte("t"), size), []byte("context")
			dirs := bytes.Repeat([]byte("d"), size/2)
			won, err := r.WriteNames(ctx, n, objects.BytesBody(dirs), objects.BytesBody(table), objects.BytesBody(context))
			if err != nil {
				t.Fatal(err)
			}
			got, head, err := r.Names(ctx, uint64(seq))
			if err != nil {
				t.Fatal(err)
			}
			a, _ := json.Marshal(won)
			b, _ := json.Marshal(got)
			if !bytes.Equal(a, b) || got.FilesSize != int64(size) || got.DirsSize != int64(size/2) {
				t.Errorf("%s was written, and %s read", a, b)
			}
			text := r.Store.(*objectstest.Memory).Objects()[NamesName(uint64(seq))]
			if rest := text[head:]; !bytes.Equal(rest, slices.Concat(dirs, table, context)) {
				t.Errorf("behind a head of %d bytes: %d bytes", head, len(rest))
			}
		}
		prev = NewAttempt()
	}
	if _, _, err := r.Names(ctx, 7); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("a segment that is not there: %v", err)
	}
}

// TestUntrusted has objects be wrong in one thing each.
func TestUntrusted(t *testing.T) {
	good := testNames(1, NewAttempt())
	good.Format, good.Mirror = Format, testID
	for what, change := range map[string]func(n *Names){
		"another mirror":        func(n *Names) { n.Mirror = strings.Repeat("0", 32) },
		"another number":        func(n *Names) { n.Seq = 2 },
		"no attempt":            func(n *Names) { n.Attempt = "" },
		"no attempt before":     func(n *Names) { n.Prev = "" },
		"complete, with more":   func(n *Names) { n.Complete = true },
		"not complete, no more": func(n *Names) { n.Marker = "" },
		"a negative table":      func(n *Names) { n.FilesSize = -1 },
		"long directories":      func(n *Names) { n.DirsSize = MaxTable + 1 },
		"a long table":          func(n *Names) { n.ContextSize = MaxTable + 1 },
		"format 0":              func(n *Names) { n.Format = 0 },
		"numbers from 0 on":     func(n *Names) { n.Part.First = 0 },
		"numbers backwards":     func(n *Names) { n.Part.End = n.Part.First - 1 },
		"files without numbers": func(n *Names) { n.Part.Files = 2 },
		"files that overflow":   func(n *Names) { n.Part.Files, n.Part.Dirs = 1<<63, 1<<63 },
	} {
		n := good
		change(&n)
		if _, err := DecodeNames(encode(n), testID, 1); !errors.Is(err, ErrBad) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := DecodeNames(encode(good), testID, 1); err != nil {
		t.Error(err)
	}
	// Of another format nothing else is known.
	for format, said := range map[int]string{Format + 1: "use the later version", Format - 1: "make the mirror anew"} {
		_, err := DecodeNames(fmt.Appendf(nil, `{"format":%d,"mirror":7}`, format), testID, 1)
		if !errors.Is(err, ErrFormat) || errors.Is(err, ErrBad) || !strings.Contains(err.Error(), said) {
			t.Errorf("format %d: %v", format, err)
		}
	}
	for _, text := range []string{"", "{", "[]", `{"format":2}{}`, "null"} {
		if _, err := DecodeCommit([]byte(text), testID, 1); !errors.Is(err, ErrBad) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTruncated has the store have less of a name segment, or more.
func TestTruncated(t *testing.T) {
	ctx, r := t.Context(), testReader(t)
	if _, err := r.WriteNames(ctx, testNames(0, ""), objects.BytesBody([]byte("dirs")), objects.BytesBody([]byte("files")), objects.BytesBody([]byte("context"))); err != nil {
		t.Fatal(err)
	}
	text := r.Store.(*objectstest.Memory).Objects()[NamesName(0)]
	for n := range text {
		if err := r.Store.Put(ctx, NamesName(0), objects.BytesBody(text[:n])); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Names(ctx, 0); !errors.Is(err, ErrBad) {
			t.Errorf("%d of %d bytes: %v", n, len(text), err)
		}
	}
	if err := r.Store.Put(ctx, NamesName(0), objects.BytesBody(append(text, 0))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Names(ctx, 0); !errors.Is(err, ErrBad) {
		t.Errorf("a byte too many: %v", err)
	}
}

// TestClaims has several write one thing: one wins, and all others hear who.
func TestClaims(t *testing.T) {
	ctx, r := t.Context(), testReader(t)
	var won, lost sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c := Commit{Seq: 3, Names: NewAttempt(), Attempt: NewAttempt()}
			winner, err := r.WriteCommit(ctx, c)
			switch {
			case err == nil && winner.Attempt == c.Attempt:
				won.Store(c.Attempt, true)
			case errors.Is(err, ErrLost) && winner.Attempt != c.Attempt:
				lost.Store(winner.Attempt, true)
			default:
				t.Errorf("%+v, %v", winner, err)
			}
		})
	}
	wg.Wait()
	n := 0
	won.Range(func(attempt, _ any) bool {
		n++
		lost.Range(func(to, _ any) bool {
			if to != attempt {
				t.Errorf("%v won, and a loser says %v", attempt, to)
			}
			return true
		})
		return true
	})
	if n != 1 {
		t.Errorf("%d have won", n)
	}
}

// TestLostAnswer has a claim be done and its answer get lost: it was won all the same.
func TestLostAnswer(t *testing.T) {
	ctx := t.Context()
	store := objectstest.New(objectstest.Options{})
	once := &again{Store: store}
	r := Reader{Store: once, Mirror: testID}
	if _, err := r.WriteNames(ctx, testNames(0, ""), objects.BytesBody(nil), objects.BytesBody(nil), objects.BytesBody(nil)); err != nil {
		t.Error(err)
	}
	if _, err := r.WriteCommit(ctx, Commit{Seq: 0, Names: NewAttempt(), Attempt: NewAttempt()}); err != nil {
		t.Error(err)
	}
	if _, err := r.WriteManifest(ctx, Manifest{Attempt: NewAttempt()}); err != nil {
		t.Error(err)
	}
}

// again is a store that creates each object twice.
type again struct{ objects.Store }

func (a *again) Create(ctx context.Context, name string, body objects.Body) error {
	if err := a.Store.Create(ctx, name, body); err != nil {
		return err
	}
	return a.Store.Create(ctx, name, body)
}

func TestOpen(t *testing.T) {
	ctx := t.Context()
	store := objectstest.New(objectstest.Options{})
	if _, err := Open(ctx, store, "", time.Now()); !errors.Is(err, ErrNone) {
		t.Errorf("nothing there: %v", err)
	}
	ids := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			m, err := Open(ctx, store, "https://one/", time.Now())
			mu.Lock()
			defer mu.Unlock()
			if ids[m.ID] = true; err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("%d mirrors were made at once", len(ids))
	}
	_, err := Open(ctx, store, "https://two/", time.Now())
	if !errors.Is(err, ErrOtherOrigin) || !strings.Contains(err.Error(), "https://one/") || !strings.Contains(err.Error(), "https://two/") {
		t.Errorf("another origin: %v", err)
	}
	if m, err := Open(ctx, store, "", time.Now()); err != nil || m.Origin != "https://one/" {
		t.Errorf("to read it: %+v, %v", m, err)
	}
}

func testSealed(seq uint64) Sealed {
	n := testNames(seq, NewAttempt())
	return Sealed{Seq: seq, Names: n.Attempt, HeadSize: 1, Part: n.Part, Attempt: NewAttempt()}
}

// TestFollow has readers follow manifests that seal segments in any order, each from where it
// stopped, and always all of them say the same.
func TestFollow(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	ctx, r := t.Context(), testReader(t)
	const segments = 300
	order := rng.Perm(segments)
	var all, often, seldom Index
	seen := 0
	for number := uint64(0); len(order) > 0; number++ {
		n := min(1+rng.IntN(4), len(order))
		m := Manifest{Number: number, Attempt: NewAttempt(), Complete: n == len(order)}
		for seq := range uint64(segments) {
			for _, k := range order[:n] {
				if uint64(k) == seq {
					m.Segments = append(m.Segments, testSealed(seq))
				}
			}
		}
		order = order[n:]
		if _, err := r.WriteManifest(ctx, m); err != nil {
			t.Fatal(err)
		}
		if err := all.Add(&m); err != nil {
			t.Fatal(err)
		}
		if number%16 == 15 || all.Complete {
			full := Manifest{Number: number, Attempt: NewAttempt(), Full: true, Complete: all.Complete, Segments: all.Segments}
			if _, err := r.WriteManifest(ctx, full); err != nil {
				t.Fatal(err)
			}
		}
		for _, x := range []*Index{&often, &seldom, {}} {
			if x == &seldom && rng.IntN(20) > 0 && !all.Complete {
				continue
			}
			news, err := r.Follow(ctx, x)
			if err != nil {
				t.Fatal(err)
			}
			if x == &often {
				seen += len(news)
			}
			if fmt.Sprint(x.Segments) != fmt.Sprint(all.Segments) || x.Next != all.Next || x.Complete != all.Complete {
				t.Fatalf("after manifest %d: %d segments, next %d, and not %d, %d", number, len(x.Segments), x.Next, len(all.Segments), all.Next)
			}
		}
		if complete, _, err := r.Complete(ctx, number/2); err != nil || complete != all.Complete {
			t.Errorf("complete %v, %v", complete, err)
		}
	}
	if seen != segments {
		t.Errorf("%d segments were new", seen)
	}
	if err := all.Add(&Manifest{Number: all.Next}); !errors.Is(err, ErrBad) {
		t.Errorf("a manifest after the last: %v", err)
	}
}

// TestJoined reads a body of several at any place.
func TestJoined(t *testing.T) {
	b := joined(objects.BytesBody([]byte("abc")), objects.BytesBody(nil), objects.BytesBody([]byte("de")), objects.BytesBody([]byte("f")))
	want := "abcdef"
	for off := range len(want) + 1 {
		for n := range len(want) + 2 {
			got := make([]byte, n)
			m, err := b.ReadAt(got, int64(off))
			if end := min(off+n, len(want)); string(got[:m]) != want[off:end] || (err == io.EOF) != (off+n > len(want)) || err != nil && err != io.EOF {
				t.Errorf("%d bytes at %d: %q, %v", n, off, got[:m], err)
			}
		}
	}
}

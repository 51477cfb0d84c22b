package objectstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/mirror/objects"
)

// Run holds a store to what package objects promises of it. open returns an empty one each
// time, to be closed by the test.
func Run(t *testing.T, open func(t *testing.T) objects.Store) {
	for name, test := range map[string]func(*testing.T, objects.Store){
		"Parts": testParts, "Create": testCreate, "List": testList, "Delete": testDelete,
		"Names": testNames, "Claim": testClaim, "Fails": testFails, "Probe": testProbe,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			test(t, s)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close again: %v", err)
			}
			if err := s.Put(t.Context(), "closed", objects.BytesBody(nil)); !errors.Is(err, objects.ErrClosed) {
				t.Errorf("put into a closed store: %v", err)
			}
		})
	}
}

// Get returns a part of an object.
func Get(ctx context.Context, s objects.Store, name string, off, n int64) (text []byte, size int64, err error) {
	r, size, err := s.Get(ctx, name, off, n)
	if err != nil {
		return nil, 0, err
	}
	text, err = io.ReadAll(r)
	return text, size, errors.Join(err, r.Close())
}

// List returns what a store lists.
func List(ctx context.Context, s objects.Store, prefix, after string) (infos []objects.Info, err error) {
	err = s.List(ctx, prefix, after, func(i objects.Info) bool {
		infos = append(infos, i)
		return true
	})
	return infos, err
}

func names(infos []objects.Info) (names []string) {
	for _, i := range infos {
		names = append(names, i.Name)
	}
	return names
}

func put(t *testing.T, s objects.Store, name, text string) {
	t.Helper()
	if err := s.Put(t.Context(), name, objects.BytesBody([]byte(text))); err != nil {
		t.Fatalf("put %q: %v", name, err)
	}
}

func testParts(t *testing.T, s objects.Store) {
	for i, size := range []int{0, 1, 1000, 3 << 20} {
		text := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{}).Read(text)
		name := fmt.Sprintf("parts/%d", i)
		put(t, s, name, string(text))
		n := int64(size)
		for _, part := range [][2]int64{{0, -1}, {0, n}, {0, n / 2}, {n / 2, -1}, {n / 3, n / 3}, {n, -1}, {n, 0}, {0, 0}} {
			got, total, err := Get(t.Context(), s, name, part[0], part[1])
			want := text[part[0]:]
			if part[1] >= 0 {
				want = want[:part[1]]
			}
			if err != nil || total != n || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %d of them from %d on: %d bytes of %d, %v", n, part[1], part[0], len(got), total, err)
			}
		}
		for _, part := range [][2]int64{{n + 1, -1}, {0, n + 1}, {n, 1}, {-1, 1}, {n + 1, 0}} {
			if _, _, err := Get(t.Context(), s, name, part[0], part[1]); !errors.Is(err, objects.ErrRange) {
				t.Errorf("%d bytes, %d of them from %d on: %v", n, part[1], part[0], err)
			}
		}
	}
	for _, part := range [][2]int64{{0, -1}, {1, 1}, {0, 0}} {
		if _, _, err := Get(t.Context(), s, "parts/absent", part[0], part[1]); !errors.Is(err, objects.ErrNotFound) {
			t.Errorf("one that is not there: %v", err)
		}
	}
	if _, _, err := s.Get(t.Context(), "parts", 0, -1); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("a folder: %v", err)
	}
	put(t, s, "parts/1", "again")
	if text, _, err := Get(t.Context(), s, "parts/1", 0, -1); string(text) != "again" || err != nil {
		t.Errorf("put again: %q, %v", text, err)
	}
}

func testCreate(t *testing.T, s objects.Store) {
	for round := range 20 {
		name := fmt.Sprintf("create/%d", round)
		errs := make([]error, 16)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				text := bytes.Repeat([]byte{byte('a' + i)}, 1000)
				errs[i] = s.Create(t.Context(), name, objects.BytesBody(text))
			})
		}
		wg.Wait()
		text, _, err := Get(t.Context(), s, name, 0, -1)
		if err != nil || len(text) != 1000 {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
		for i, err := range errs {
			if won := text[0] == byte('a'+i); won && err != nil || !won && !errors.Is(err, objects.ErrExists) {
				t.Errorf("%d, and %c is there: %v", i, text[0], err)
			}
		}
	}
}

func testList(t *testing.T, s objects.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	parts := []string{"a", "a-b", "a.c", "a0", "b", "b-", "b.", "0", "00", "z-z.z"}
	all := map[string]bool{}
	folder := func(of string) bool {
		for name := range all {
			if strings.HasPrefix(name, of+"/") || strings.HasPrefix(of, name+"/") {
				return true
			}
		}
		return all[of]
	}
	for range 150 {
		name := parts[rng.IntN(len(parts))]
		for range rng.IntN(4) {
			name += "/" + parts[rng.IntN(len(parts))]
		}
		if !folder(name) {
			all[name] = true
			put(t, s, name, name)
		}
	}
	var sorted []string
	for name := range all {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	some := func() string { name := sorted[rng.IntN(len(sorted))]; return name[:rng.IntN(len(name)+1)] }
	for range 100 {
		prefix, after, most := some(), some()+[]string{"", "0", "/", "-x"}[rng.IntN(4)], rng.IntN(2*len(sorted))
		if rng.IntN(3) == 0 {
			prefix, after = "", ""
		}
		if objects.CheckPrefix(prefix) != nil {
			continue
		}
		var want, got []string
		for _, name := range sorted {
			if strings.HasPrefix(name, prefix) && name > after && len(want) <= most {
				want = append(want, name)
			}
		}
		err := s.List(t.Context(), prefix, after, func(i objects.Info) bool {
			got = append(got, i.Name)
			if i.Size != int64(len(i.Name)) || i.ModTime.IsZero() {
				t.Errorf("%+v", i)
			}
			return len(got) <= most
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("list %q after %q, %d: %v\n%q\n%q", prefix, after, most, err, got, want)
		}
	}
}

func testDelete(t *testing.T, s objects.Store) {
	put(t, s, "delete/a/1", "1")
	put(t, s, "delete/a/2", "2")
	for _, name := range []string{"delete/a/1", "delete/a/1", "delete/a", "delete/never", "never/was"} {
		if err := s.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	if _, _, err := s.Get(t.Context(), "delete/a/1", 0, -1); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("get what was deleted: %v", err)
	}
	if infos, err := List(t.Context(), s, "", ""); err != nil || !slices.Equal(names(infos), []string{"delete/a/2"}) {
		t.Errorf("listed %v, %v", infos, err)
	}
	if err := s.Delete(t.Context(), "delete/a/2"); err != nil {
		t.Error(err)
	}
	if err := s.Create(t.Context(), "delete/a/2", objects.BytesBody(nil)); err != nil {
		t.Errorf("create what was deleted: %v", err)
	}
}

func testNames(t *testing.T, s objects.Store) {
	for _, name := range []string{"", "/", "/a", "a/", "a//b", "..", "a/../b", ".a", "a/.b", "A", "a b", "a\x00", "é", "a_b", strings.Repeat("a", 300), strings.Repeat("a/", 20) + "a", strings.Repeat("aaaaaaa/", 100) + "a"} {
		_, _, get := s.Get(t.Context(), name, 0, -1)
		body := objects.BytesBody([]byte("x"))
		for op, err := range map[string]error{
			"put": s.Put(t.Context(), name, body), "create": s.Create(t.Context(), name, body), "get": get, "delete": s.Delete(t.Context(), name),
		} {
			if !errors.Is(err, objects.ErrName) {
				t.Errorf("%s %q: %v", op, name, err)
			}
		}
	}
	for _, prefix := range []string{"/", "..", "../", "a//", "a/../"} {
		if _, err := List(t.Context(), s, prefix, ""); !errors.Is(err, objects.ErrName) {
			t.Errorf("list %q: %v", prefix, err)
		}
	}
	put(t, s, strings.Repeat("a", 200)+"/"+strings.Repeat("b", 200), "long")
}

func testClaim(t *testing.T, s objects.Store) {
	first, second := []byte("first"), []byte("second")
	for _, c := range []struct {
		text   []byte
		won    bool
		winner []byte
	}{{first, true, nil}, {second, false, first}, {first, true, nil}} {
		won, winner, err := objects.Claim(t.Context(), s, "claims/1", objects.BytesBody(c.text))
		if won != c.won || !bytes.Equal(winner, c.winner) || err != nil {
			t.Errorf("%s claims it: %v, %q, %v", c.text, won, winner, err)
		}
	}
}

// short is a body that has less than it says.
type short struct{}

func (short) ReadAt(p []byte, off int64) (int, error) { return 0, io.ErrUnexpectedEOF }

func testFails(t *testing.T, s objects.Store) {
	for name, write := range map[string]func(context.Context, string, objects.Body) error{"put": s.Put, "create": s.Create} {
		if err := write(t.Context(), "fails/"+name, objects.Body{ReaderAt: short{}, Size: 100}); err == nil {
			t.Errorf("%s: a body that ends too soon is written", name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := write(ctx, "fails/"+name, objects.BytesBody([]byte("x"))); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that has ended: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Get(ctx, "fails", 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("get with a context that has ended: %v", err)
	}
	if err := s.Delete(ctx, "fails"); !errors.Is(err, context.Canceled) {
		t.Errorf("delete with a context that has ended: %v", err)
	}
	if infos, err := List(t.Context(), s, "", ""); len(infos) > 0 || err != nil {
		t.Errorf("what failed has left %v, %v", infos, err)
	}
	if _, err := List(ctx, s, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("list with a context that has ended: %v", err)
	}
}

func testProbe(t *testing.T, s objects.Store) {
	if err := objects.Probe(t.Context(), s); err != nil {
		t.Error(err)
	}
	if infos, err := List(t.Context(), s, "", ""); len(infos) > 0 || err != nil {
		t.Errorf("the probe has left %v, %v", infos, err)
	}
}

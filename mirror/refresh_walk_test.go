package mirror_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestOriginChangesWhileItIsRefreshed has an origin change at random while a refresh walks its
// listing and asks for files, before and behind the place where it is. What the origin always
// had stays, each content is one that it had, and the next refresh finds exactly what it is.
func TestOriginChangesWhileItIsRefreshed(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for k := range uint64(max(1, *crashSeeds/4)) {
		t.Run(fmt.Sprint(seed+k), func(t *testing.T) { changingWalk(t, seed+k) })
		if t.Failed() {
			t.Fatalf("go test ./mirror -run TestOriginChangesWhileItIsRefreshed -crash.seed %d -crash.seeds 1", seed+k)
		}
	}
}

func changingWalk(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	c := newChanging(100 + rng.IntN(700))
	if rng.IntN(2) == 0 {
		c.order = c.names()
		rng.Shuffle(len(c.order), func(i, j int) { c.order[i], c.order[j] = c.order[j], c.order[i] })
	}
	var src serve.Source = c
	if c.order == nil && rng.IntN(2) == 0 {
		src = byName{c}
	}
	r := newRig(t, serve.Options{PageSize: pick(rng, 7, 50, 200)}, src)
	r.must(r.engine(nil).Run(t.Context()))
	r.follows(c)

	w := &restless{rng: rng, c: c, least: len(c.files) / 4, steady: map[string]bool{}, had: map[string][]string{}}
	for name, content := range c.files {
		w.steady[name], w.had[name] = true, []string{content}
	}
	r.server.SetFaults(origintest.Faults{
		OnList: func(string, int) origintest.Fault { w.change(8); return origintest.Fault{} },
		OnGet:  func([]byte, int) origintest.Fault { w.change(w.few()); return origintest.Fault{} },
	})
	lax := mirror.GoneLimit{Percent: 100, Files: 1000}
	e := r.engine(func(o *mirror.Options) { o.Connections, o.MaxGone = pick(rng, 1, 4), lax })
	found, err := e.Refresh(t.Context(), mirror.RefreshOptions{Contents: rng.IntN(2) == 0, MaxDelete: lax})
	r.must(err)
	r.must(e.Close())
	r.server.SetFaults(origintest.Faults{})
	w.check(r)
	t.Logf("%d changes: %+v", w.changes, found)

	e = r.engine(nil)
	_, err = e.Refresh(t.Context(), mirror.RefreshOptions{Contents: true, MaxDelete: lax})
	r.must(err)
	r.must(e.Close())
	r.follows(c)
	n := uint64(len(c.files))
	r.refresh(mirror.RefreshOptions{Contents: true}, cache.Refreshed{Listed: n, Reviewed: n})
}

// few is how many changes come with a get: mostly none.
func (w *restless) few() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, w.rng.IntN(40)-38)
}

// byName has a listing whose markers are names, so that it neither skips nor repeats one that
// stays.
type byName struct{ *changing }

func (b byName) Page(marker string, limit int, add func(name []byte)) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := b.names()
	from, found := slices.BinarySearch(names, marker)
	if found {
		from++
	}
	to := min(from+limit, len(names))
	for _, name := range names[from:to] {
		add([]byte(name))
	}
	if to == len(names) {
		return "", nil
	}
	return names[to-1], nil
}

// restless changes an origin, and remembers what it had.
type restless struct {
	mu      sync.Mutex
	rng     *rand.Rand
	c       *changing
	steady  map[string]bool     // names that were never away
	least   int                 // how many of them stay
	had     map[string][]string // all contents of a name
	changes int
}

func (w *restless) change(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.c.change(func(files map[string]string) {
		for range n {
			w.one(files)
		}
	})
}

func (w *restless) one(files map[string]string) {
	names := w.c.names()
	if len(names) == 0 {
		return
	}
	at := w.rng.IntN(len(names))
	name := names[at]
	w.changes++
	kinds := 6
	if len(w.steady) < w.least {
		kinds = 3 // an origin that gives nothing of what is here is taken for out of service
	}
	switch w.rng.IntN(kinds) {
	case 0, 1:
		w.put(files, name, at)
	case 2:
		w.put(files, fmt.Sprintf("%s new %d", name, w.changes), at)
	case 3: // a directory becomes a file
		dir := name[:strings.LastIndexByte(name, '/')+1]
		inside := 0
		for _, other := range names {
			if strings.HasPrefix(other, dir) {
				inside++
			}
		}
		if dir == "" || inside > len(w.steady)/3 {
			return
		}
		for _, other := range slices.Clone(names) {
			if strings.HasPrefix(other, dir) {
				w.remove(files, other)
			}
		}
		w.put(files, strings.TrimSuffix(dir, "/"), min(at, len(w.c.names())))
	case 4: // a file becomes a directory
		w.remove(files, name)
		w.put(files, name+"/inside", at)
	case 5:
		w.remove(files, name)
	}
}

func (w *restless) remove(files map[string]string, name string) {
	delete(files, name)
	delete(w.steady, name)
	if w.c.order != nil {
		w.c.order = slices.DeleteFunc(w.c.order, func(other string) bool { return other == name })
	}
}

func (w *restless) put(files map[string]string, name string, at int) {
	if _, ok := files[name]; !ok && w.c.order != nil {
		w.c.order = slices.Insert(slices.Clone(w.c.order), min(at, len(w.c.order)), name)
	}
	content := strings.Repeat(fmt.Sprintf("change %d of %s ", w.changes, name), 1+2000*(w.rng.IntN(8)/7))
	files[name] = content
	w.had[name] = append(w.had[name], content)
}

// check has the store have all that never went, and nothing that never was.
func (w *restless) check(r *rig) {
	r.t.Helper()
	r.verify()
	here := map[string]bool{}
	r.each(cache.RootInode, func(ino cache.Inode, e cache.Entry) {
		name, err := r.store.NameOf(ino)
		r.must(err)
		if here[name] {
			r.t.Errorf("%q is shown twice", name)
		}
		here[name] = true
		if e.State == cache.Pending {
			if w.steady[name] {
				r.t.Errorf("%q was here and is pending", name)
			}
			return
		}
		b := make([]byte, e.Size)
		_, err = r.store.ReadAt(ino, b, 0)
		r.must(err)
		if !slices.Contains(w.had[name], string(b)) {
			r.t.Errorf("%q is %.60q, which the origin never had", name, b)
		}
	})
	for name := range w.steady {
		if !here[name] {
			r.t.Errorf("%q was always at the origin, and is not here any more", name)
		}
	}
}

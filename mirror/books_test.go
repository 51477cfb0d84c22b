package mirror_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/origin/origintest"
)

// The lengths of modelBody: of a short content, of one that is a blob (modelInline)
// and of one that is shown while it comes.
const (
	modelShort  = 300
	modelInline = 2000
	modelLong   = 150_000
)

// modelTime is when all files were changed last, where a listing says it.
const modelTime = 1_600_000_000

// modelBody is the content of the file of that name, which no other has. Few are long.
func modelBody(name string) []byte {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	sum := h.Sum64()
	length := int(sum % modelShort)
	switch (sum >> 32) % 50 {
	case 0:
		length += modelLong
	case 1, 2, 3, 4:
		length += modelInline
	}
	text := fmt.Appendf(nil, "%x %q\n", sum, name)
	return bytes.Repeat(text, length/len(text)+1)[:max(length, 17)]
}

// oddNames are names that a path writes in another way, or may get wrong. No file has the
// name of a directory: TestModel of package cache has such.
var oddNames = []string{".", "../x", "/abs", "e/", "c//b", "nul\x00", "%%", "%2e%2e", "new\nline", "\xff\xfe", "é", "e\u0301",
	strings.Repeat("n", 255), strings.Repeat("o", 300), "p/" + strings.Repeat("q", 700) + "/r"}

// modelFiles are n files, in the root or in directories several levels deep, in the order
// of their names or in none.
func modelFiles(rng *rand.Rand, n int, deep, shuffled bool) []origintest.File {
	all := map[string]bool{}
	for _, name := range oddNames[:min(n/4, len(oddNames))] {
		all[name] = true
	}
	for len(all) < n {
		name := fmt.Sprintf("f%05d", rng.IntN(100_000))
		for range rng.IntN(6) {
			if deep {
				name = fmt.Sprintf("d%d/", rng.IntN(3)) + name
			}
		}
		all[name] = true
	}
	names := slices.Sorted(maps.Keys(all))
	if shuffled {
		rng.Shuffle(n, func(a, b int) { names[a], names[b] = names[b], names[a] })
	}
	files := make([]origintest.File, n)
	for i, name := range names {
		files[i] = origintest.File{Name: name, Body: modelBody(name)}
	}
	return files
}

// books are what a store is compared with: the files that the origin has, and what was
// seen of the store before.
type books struct {
	files    map[string]string // the origin's names, listed or not, by path
	bodies   map[string][]byte // by path
	unlisted map[string]bool   // those that no page has
	dirs     map[string]bool   // by path
	mu       struct {
		sync.Mutex
		vanished map[string]bool // names that were listed and that the origin has no more
		// numbers are those that readers were shown, ever, with the path of each.
		numbers map[cache.Inode]string
		// now is what was seen in this life of the store, kept what of it no crash may
		// take.
		now, kept sight
	}
}

// sight is what was seen of a store, by path.
type sight struct {
	inodes map[string]cache.Inode
	here   map[string]bool // its content was there
}

func (s sight) clone() sight { return sight{maps.Clone(s.inodes), maps.Clone(s.here)} }

func newBooks(t *testing.T, listed, unlisted []origintest.File) *books {
	t.Helper()
	b := &books{files: map[string]string{}, bodies: map[string][]byte{}, unlisted: map[string]bool{}, dirs: map[string]bool{}}
	b.mu.vanished, b.mu.numbers = map[string]bool{}, map[cache.Inode]string{}
	b.mu.now = sight{map[string]cache.Inode{}, map[string]bool{}}
	b.mu.kept = b.mu.now.clone()
	for i, f := range slices.Concat(listed, unlisted) {
		path, err := cache.SplitName(nil, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Join(path, "/")
		b.files[at], b.bodies[at] = f.Name, f.Body
		if i >= len(listed) {
			b.unlisted[f.Name] = true
		}
		for k := range path {
			if k > 0 {
				b.dirs[strings.Join(path[:k], "/")] = true
			}
		}
	}
	return b
}

// sight is what was seen until now.
func (b *books) sight() sight {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.now.clone()
}

// keep notes what no crash may take any more.
func (b *books) keep(what sight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.kept = what
}

// crashed forgets what a crash may take.
func (b *books) crashed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.now = b.mu.kept.clone()
}

// vanish notes that the origin does not have a file any more.
func (b *books) vanish(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.vanished[name] = true
}

// has reports whether the origin has the file.
func (b *books) has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.mu.vanished[name]
}

// show notes that a reader was shown a number.
func (b *books) show(path string, ino cache.Inode) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.showLocked(path, ino)
}

func (b *books) showLocked(path string, ino cache.Inode) error {
	if before, ok := b.mu.numbers[ino]; ok && before != path {
		return fmt.Errorf("inode %d was %q, and is %q", ino, before, path)
	}
	if before, ok := b.mu.now.inodes[path]; ok && before != ino {
		return fmt.Errorf("%q was inode %d, and is %d", path, before, ino)
	}
	b.mu.numbers[ino], b.mu.now.inodes[path] = path, ino
	return nil
}

// content compares what was read of a file with what the origin has.
func (b *books) content(path string, got []byte) error {
	if want := b.bodies[path]; !bytes.Equal(got, want) {
		return fmt.Errorf("%q holds %.80q…, %d bytes, and not %.80q…, %d bytes", path, got, len(got), want, len(want))
	}
	return nil
}

// check compares a store with the books, also while a mirror goes on: no content and no
// number is another than it was, no name is missing that was there, and what says that it
// is complete is.
func (b *books) check(s *cache.Store) error {
	said := s.Progress() // more may come, and nothing goes
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.mu.now.clone()
	found := map[string]cache.Entry{}
	if err := b.walkLocked(s, cache.RootInode, "", found); err != nil {
		return err
	}
	for path := range before.inodes {
		if _, ok := found[path]; !ok && !b.goneLocked(s, path) {
			return fmt.Errorf("%q was shown, and is not there", path)
		}
	}
	for path := range before.here {
		if e, ok := found[path]; ok && !e.Here() {
			return fmt.Errorf("the content of %q was there, and is not", path)
		}
	}
	for path, name := range b.files {
		e, ok := found[path]
		switch gone := !ok && b.goneLocked(s, path); {
		case b.unlisted[name]:
		case said.ListingComplete && !ok && !gone:
			return fmt.Errorf("the listing is complete, and %q is not there", path)
		case said.Complete() && !gone && !e.Here():
			return fmt.Errorf("the mirror is complete, and %q is not here", path)
		}
	}
	return nil
}

// goneLocked reports whether a file is not shown because the origin has it no more.
func (b *books) goneLocked(s *cache.Store, path string) bool {
	if name, file := b.files[path]; !file || !b.mu.vanished[name] {
		return false
	}
	e, err := lookPath(s, path)
	return err == nil && e.State == cache.Gone
}

// walkLocked reads all directories and all contents that are here.
func (b *books) walkLocked(s *cache.Store, dir cache.Inode, in string, found map[string]cache.Entry) error {
	var last cache.Inode
	var dirs []string
	var wrong error
	err := s.ReadDirPlus(dir, 0, func(de cache.DirEntry, e cache.Entry, err error) bool {
		path := in + string(de.Name)
		_, file := b.files[path]
		switch {
		case err != nil:
			wrong = fmt.Errorf("%q: %w", path, err)
		case de.Inode <= last || e.Inode != de.Inode || e.Kind != de.Kind:
			wrong = fmt.Errorf("%q after inode %d is %d, %d by its entry", path, last, de.Inode, e.Inode)
		case e.Kind == cache.Dir && !b.dirs[path], e.Kind == cache.File && !file:
			wrong = fmt.Errorf("%q is shown, which the origin does not have", path)
		default:
			wrong = b.showLocked(path, e.Inode)
		}
		if last, found[path] = de.Inode, e; wrong != nil {
			return false
		}
		if e.Kind == cache.Dir {
			dirs = append(dirs, path)
		} else if e.Here() {
			b.mu.now.here[path] = true
			wrong = b.read(s, path, &e)
		}
		return wrong == nil
	})
	if err := errors.Join(err, wrong); err != nil {
		return err
	}
	for _, d := range dirs {
		if err := b.walkLocked(s, found[d].Inode, d+"/", found); err != nil {
			return err
		}
	}
	return nil
}

// read reads a file from the store by its number.
func (b *books) read(s *cache.Store, path string, e *cache.Entry) error {
	got := make([]byte, e.Size+1)
	n, err := s.ReadAt(e.Inode, got, 0)
	if err != nil {
		return fmt.Errorf("read %q: %w", path, err)
	}
	return b.content(path, got[:n])
}

// lookPath walks a path of the mount through the store.
func lookPath(s *cache.Store, path string) (e cache.Entry, err error) {
	e.Inode = cache.RootInode
	for c := range strings.SplitSeq(path, "/") {
		if e, err = s.Lookup(e.Inode, c); err != nil {
			return e, err
		}
	}
	return e, nil
}

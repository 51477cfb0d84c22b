package replica

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
	"github.com/motefs/motefs/mirror/segments"
)

// replaceNames puts other tables behind the head of a segment's names, with their right sums.
func (w *world) replaceNames(s *segments.Sealed, dirs, files []byte) {
	w.must(w.objects.Delete(w.tb.Context(), segments.NamesName(s.Seq)))
	w.must(w.objects.Put(w.tb.Context(), segments.NamesName(s.Seq), objects.BytesBody(slices.Concat(make([]byte, s.HeadSize), dirs, files))))
	d, f := cache.TableOf(dirs), cache.TableOf(files)
	s.NameSizes = segments.NameSizes{DirsSize: d.Size, DirsSum: d.Sum, FilesSize: f.Size, FilesSum: f.Sum}
}

// namesOf are the tables of a segment's names.
func namesOf(store *objectstest.Memory, s *segments.Sealed) (dirs, files []byte) {
	text := store.Objects()[segments.NamesName(s.Seq)][s.HeadSize:]
	return text[:s.DirsSize], text[s.DirsSize:][:s.FilesSize]
}

// TestDirectoriesThatLie has the table of a segment's directories be damaged, cut, another one's, or be
// contradicted by its files. Who reads the root or what is in it gets an error, and neither "no such file"
// nor a directory that ends early; other segments are read on, also those whose directories come with it.
func TestDirectoriesThatLie(t *testing.T) {
	for what, change := range map[string]func(w *world, s *segments.Sealed, dirs, files, otherDirs, otherFiles []byte){
		"another sum": func(_ *world, s *segments.Sealed, _, _, _, _ []byte) { s.DirsSum++ },
		"cut": func(w *world, s *segments.Sealed, dirs, files, _, _ []byte) {
			w.replaceNames(s, dirs[:len(dirs)-1], files)
		},
		"cut, with the sum of all": func(w *world, s *segments.Sealed, dirs, files, _, _ []byte) {
			sum := s.DirsSum
			w.replaceNames(s, dirs[:len(dirs)/2], nil)
			s.DirsSum, s.DirsSize = sum, int64(len(dirs))
		},
		"a bit is flipped": func(w *world, s *segments.Sealed, dirs, files, _, _ []byte) {
			flipped := slices.Clone(dirs)
			flipped[len(dirs)/2] ^= 4
			w.replaceNames(s, flipped, files)
		},
		"another segment's directories": func(w *world, s *segments.Sealed, _, files, otherDirs, _ []byte) { w.replaceNames(s, otherDirs, files) },
		"another segment's files":       func(w *world, s *segments.Sealed, dirs, _, _, otherFiles []byte) { w.replaceNames(s, dirs, otherFiles) },
		"files in their place":          func(w *world, s *segments.Sealed, _, files, _, _ []byte) { w.replaceNames(s, files, files) },
		"more than was said":            func(_ *world, s *segments.Sealed, _, _, _, _ []byte) { s.Part.Dirs-- },
		"other bounds":                  func(_ *world, s *segments.Sealed, _, _, _, _ []byte) { s.Part.DirKeys.Min = cache.EntryKey(1, "a") },
	} {
		t.Run(what, func(t *testing.T) {
			store := objectstest.New(objectstest.Options{})
			w := newWorld(t, 23, store, worldOptions{})
			for k := range 60 {
				name := fmt.Sprintf("d%02d/f%02d", k/2, k)
				w.truth[name] = truth{content: []byte(name)}
				w.listing = append(w.listing, cache.Name{Origin: name, Size: -1})
			}
			for range 3 {
				w.grow(20)
			}
			dirs, files := namesOf(store, &w.ready[1])
			otherDirs, otherFiles := namesOf(store, &w.ready[0])
			change(w, &w.ready[1], dirs, files, otherDirs, otherFiles)
			w.seal(nil)
			r := opened(t, t.TempDir()+"/store", store)
			rd := newReader(r, 23)
			filesAlone := what == "another segment's files"
			wrong := func(doing string, err error) {
				if err == nil || errors.Is(err, cache.ErrNotFound) {
					t.Errorf("%s: %v", doing, err)
				}
			}
			shown, err := rd.list(t.Context(), cache.RootInode)
			if filesAlone {
				w.must(err)
			} else if wrong("the root is read", err); len(shown) != 10 {
				t.Errorf("%d directories came before the error", len(shown))
			}
			for k := range 30 {
				dir, err := rd.lookup(t.Context(), cache.RootInode, fmt.Sprintf("d%02d", k))
				if k < 10 || k >= 20 {
					w.must(err)
					w.must(w.check(t.Context(), rd, dir.Inode, fmt.Sprintf("f%02d", 2*k), fmt.Sprintf("d%02d/f%02d", k, 2*k)))
					continue
				}
				if !filesAlone {
					wrong("a directory is looked up", err)
					continue
				}
				w.must(err)
				_, err = rd.lookup(t.Context(), dir.Inode, fmt.Sprintf("f%02d", 2*k))
				wrong("a file is looked up", err)
				_, err = rd.list(t.Context(), dir.Inode)
				wrong("a directory is read", err)
			}
			if r.Names().ListingComplete() {
				t.Error("the listing is complete")
			}
		})
	}
}

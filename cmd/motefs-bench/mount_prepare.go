package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// fileset is the files that a filesystem shows: the first of a synthetic origin,
// all in one directory, or what is in a store that was there before.
type fileset struct {
	files, size int64
	existing    bool
}

func (s fileset) source() *serve.Synthetic {
	return serve.NewSynthetic(serve.SyntheticOptions{Files: s.files, BodySize: s.size})
}

// store is a complete mirror.
type store struct{ dir, origin string }

// storeOf mirrors the files, once. The origin is gone when that is done: a mount
// of a complete store does not ask it.
func (b *mountBench) storeOf(ctx context.Context, set fileset) (_ *store, err error) {
	if s := b.stores[set]; s != nil {
		return s, nil
	}
	if set.existing {
		return nil, errors.New("the store is not there")
	}
	b.logf("mirroring %d files of %d bytes", set.files, set.size)
	server, err := startMotefs(ctx, b.motefs, set.files, "--body-size", fmt.Sprint(set.size))
	if err != nil {
		return nil, err
	}
	defer server.stop()
	s := &store{dir: filepath.Join(b.dir, fmt.Sprintf("store-%d-%d", set.files, set.size)), origin: server.url}
	if _, _, err := child.Measure(ctx, b.dir, b.motefs, "mirror", "--store", s.dir, s.origin); err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	if b.stores == nil {
		b.stores = map[fileset]*store{}
	}
	b.stores[set] = s
	return s, nil
}

// existingStore looks into the store that -store names.
func (b *mountBench) existingStore() (fileset, error) {
	s, err := cache.Open(cache.Options{Dir: b.store, FlushEvery: -1})
	if err != nil {
		return fileset{}, err
	}
	p, origin := s.Progress(), s.Origin()
	files := s.Usage().Files
	if err := s.Close(); err != nil {
		return fileset{}, err
	}
	if origin == "" || !p.Complete() {
		return fileset{}, fmt.Errorf("the store %s is not complete: let motefs mirror finish it", b.store)
	}
	set := fileset{files: int64(files), existing: true}
	b.stores = map[fileset]*store{set: {dir: b.store, origin: origin}}
	return set, nil
}

// treeWriters is how many files are written at a time.
const treeWriters = 4

// treeOf writes the files into a directory, once.
func (b *mountBench) treeOf(ctx context.Context, set fileset) (string, error) {
	if dir := b.trees[set]; dir != "" {
		return dir, nil
	}
	b.logf("writing %d files", set.files)
	dir := filepath.Join(b.dir, fmt.Sprintf("tree-%d-%d", set.files, set.size))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	source := set.source()
	var wg sync.WaitGroup
	errs := make([]error, treeWriters)
	for t := range int64(treeWriters) {
		wg.Go(func() {
			for i := t; i < source.Len() && errs[t] == nil; i += treeWriters {
				if errs[t] = ctx.Err(); errs[t] == nil {
					errs[t] = os.WriteFile(filepath.Join(dir, source.Name(i)), source.Body(i), 0o644)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	b.sync()
	if b.trees == nil {
		b.trees = map[fileset]string{}
	}
	b.trees[set] = dir
	return dir, nil
}

// nameset is so many names of a set.
type nameset struct {
	set   fileset
	count int64
}

// namesOf writes the paths of some random files, each once, a NUL after each, and
// returns how many.
func (b *mountBench) namesOf(ctx context.Context, set fileset, most int64) (path string, count int64, err error) {
	count = min(most, set.files)
	key := nameset{set, count}
	if path = b.names[key]; path != "" {
		return path, count, nil
	}
	path = filepath.Join(b.dir, fmt.Sprintf("names-%d-of-%d-%d", count, set.files, set.size))
	if set.existing {
		b.logf("picking %d of %d files", count, set.files)
		err = b.sampleNames(ctx, set, count, path)
	} else {
		err = os.WriteFile(path, randomNames(set.source(), count), 0o644)
	}
	if err != nil {
		return "", 0, err
	}
	if b.names == nil {
		b.names = map[nameset]string{}
	}
	b.names[key] = path
	return path, count, nil
}

// randomNames are so many different names. The order is the same in each run.
func randomNames(source *serve.Synthetic, count int64) []byte {
	const seed = 1
	random := rand.New(rand.NewPCG(seed, seed))
	var text bytes.Buffer
	// Floyd's algorithm: memory for what is picked, not for what there is.
	picked, order := make(map[int64]bool, count), make([]int64, 0, count)
	for last := source.Len() - count; last < source.Len(); last++ {
		i := random.Int64N(last + 1)
		if picked[i] {
			i = last
		}
		picked[i] = true
		order = append(order, i)
	}
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, i := range order {
		text.WriteString(source.Name(i))
		text.WriteByte(0)
	}
	return text.Bytes()
}

// sampleNames lists a mount of the set for some of its names.
func (b *mountBench) sampleNames(ctx context.Context, set fileset, count int64, to string) error {
	return b.with(ctx, motefsMount("", false), set, func(o opened) error {
		_, err := b.help(ctx, "getdents", "-passes", "1", "-sample", fmt.Sprint(count), "-to", to, o.dir)
		return err
	})
}

// largestFile is the largest file below a directory.
func largestFile(dir string) (path string, size int64, err error) {
	err = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			path, size = at, info.Size()
		}
		return err
	})
	return path, size, err
}

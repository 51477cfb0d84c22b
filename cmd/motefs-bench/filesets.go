package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/internal/child"
	"github.com/motefs/motefs/cmd/internal/nginx"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// fileset is the files that a filesystem shows: the first of a synthetic origin,
// or what is in a store that was there before.
type fileset struct {
	files int64
	size  int64  // of each; 0: DefaultBodySize; negative: unknown
	store string // "": none
	inDir int64  // how many in each directory; 0: all in one
}

func (s fileset) source(shuffle bool) *serve.Synthetic {
	return serve.NewSynthetic(serve.SyntheticOptions{Files: s.files, BodySize: s.size, Shuffle: shuffle, FilesPerDir: s.inDir})
}

func (s fileset) storeName() string { return fmt.Sprintf("store-%d-%d", s.files, s.size) }

// existingStore is the files of the store that -store names.
func (b *bench) existingStore() (fileset, error) {
	s, err := cache.Open(cache.Options{Dir: b.store, FlushEvery: -1})
	if err != nil {
		return fileset{}, err
	}
	p, url := s.Progress(), s.Origin()
	set := fileset{files: int64(s.Usage().Files), size: -1, store: b.store}
	if err := s.Close(); err != nil {
		return set, err
	}
	if url == "" || !p.Complete() {
		return set, fmt.Errorf("the store %s is not complete: let motefs mirror finish it", b.store)
	}
	b.once[set.storeName()] = url
	return set, nil
}

func prepareNothing(context.Context, *bench, fileset) ([]string, error) { return nil, nil }

// prepareStore mirrors the files. The origin is gone when that is done: a mount of
// a complete store does not ask it.
func prepareStore(ctx context.Context, b *bench, set fileset) ([]string, error) {
	url, err := b.made(set.storeName(), func(dir string) (made, error) {
		s, err := b.startMotefs(ctx, set.files, "--body-size", fmt.Sprint(set.size))
		if err != nil {
			return s, err
		}
		defer s.stop()
		_, _, err = child.Measure(ctx, b.tmp, b.motefs, "mirror", "--store", dir, s.at)
		return made{at: s.at}, err
	})
	return []string{"{dir}", cmp.Or(set.store, filepath.Join(b.tmp, set.storeName())), "{url}", url}, err
}

// prepareReplica mirrors the files into segments, and brings all of these.
func prepareReplica(ctx context.Context, b *bench, set fileset) ([]string, error) {
	dir, err := b.made("replica-of-"+set.storeName(), func(dir string) (made, error) {
		s, err := b.startMotefs(ctx, set.files, "--body-size", fmt.Sprint(set.size))
		if err != nil {
			return s, err
		}
		defer s.stop()
		if _, _, err := child.Measure(ctx, b.tmp, b.motefs, "mirror", "--store", filepath.Join(dir, "work"), "--segments", segmentsIn(dir), s.at); err != nil {
			return made{}, err
		}
		mnt := filepath.Join(dir, "mnt")
		if err := os.Mkdir(mnt, 0o755); err != nil {
			return made{}, err
		}
		m, err := mount(ctx, mnt, false, b.expand(replicaMount+" --prefetch-all", "{segments}", segmentsIn(dir), "{dir}", filepath.Join(dir, "store"), "{mnt}", mnt))
		if err != nil {
			return made{}, err
		}
		err = m.Await(ctx, func() bool { return strings.Contains(m.Output(), "the mirror is complete") })
		return made{at: dir}, errors.Join(err, m.unmount())
	})
	return []string{"{segments}", segmentsIn(dir), "{dir}", filepath.Join(dir, "store")}, err
}

// segmentsIn is the URL of a mirror in segments in a directory.
func segmentsIn(dir string) string { return "file://" + filepath.Join(dir, "objects") }

// prepareTree writes the files to a directory.
func prepareTree(ctx context.Context, b *bench, set fileset) ([]string, error) {
	files, err := b.made(fmt.Sprintf("tree-%d", set.files), func(dir string) (made, error) {
		return made{at: filepath.Join(dir, "files")}, nginx.WriteOrigin(ctx, dir, set.source(false))
	})
	return []string{"{dir}", files}, err
}

// prepareIndex serves such a directory with nginx's own listing of it.
func prepareIndex(ctx context.Context, b *bench, set fileset) ([]string, error) {
	words, err := prepareTree(ctx, b, set)
	if err != nil {
		return nil, err
	}
	url, err := b.made(fmt.Sprintf("index-%d", set.files), func(dir string) (made, error) {
		url, stop, err := nginx.Start(ctx, dir, fmt.Sprintf("location / { root %q; autoindex on; }", words[1]))
		return made{url, stop}, err
	})
	return append(words, "{url}", url), err
}

// names is a file of the paths of some random files, each once and a NUL after
// each: the first of the files' shuffled listing, or what shuf picks.
func (t *trial) names(ctx context.Context) (string, error) {
	return t.b.made(fmt.Sprintf("names-%d-of-%d", t.reads, t.set.files), func(dir string) (made, error) {
		path := filepath.Join(dir, "names")
		if t.set.store != "" {
			_, err := t.with(ctx, func(m mounted) ([]float64, error) {
				return t.b.shell(ctx, fmt.Sprintf(`find "$1" -type f -printf '%%P\0' | shuf -z -n %d >"$2"`, t.reads), m.dir, path)
			})
			return made{at: path}, err
		}
		var text bytes.Buffer
		source := t.set.source(true)
		for k := range t.reads {
			text.WriteString(source.Name(source.Listed(k)) + "\x00")
		}
		return made{at: path}, os.WriteFile(path, text.Bytes(), 0o644)
	})
}

package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/replica"
	"github.com/motefs/motefs/mirror/segments"
)

// check checks all that a mirror promises, once its processes have ended. It returns how many
// segments were fetched once more.
func (r *run) check() (again int) {
	t := r.t
	t.Helper()
	// A process more finds that the mirror is complete, and removes what nobody refers to.
	r.start(&member{})
	r.finish()
	if t.Failed() {
		return 0
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reader, all := r.complete(ctx)
	r.checkChain(ctx, reader, all)
	r.checkObjects(ctx, all)
	r.checkFiles(ctx)
	return r.again()
}

// complete reads what is sealed, which is to be all.
func (r *run) complete(ctx context.Context) (segments.Reader, *segments.Index) {
	t := r.t
	t.Helper()
	of, err := segments.Open(ctx, r.store, "", time.Time{})
	must(t, err)
	reader := segments.Reader{Store: r.store, Mirror: of.ID}
	var all segments.Index
	_, err = reader.Follow(ctx, &all)
	must(t, err)
	if !all.Complete {
		t.Fatal("the mirror is not complete")
	}
	return reader, &all
}

var fetches = regexp.MustCompile(`a segment is fetched segment=([0-9]+) tries=([0-9]+)`)

// overtakes is how many segments somebody fetched who had nothing else to do, while another was at them: it
// was not given out for that.
func (r *run) overtakes() (n int) {
	for _, m := range r.members {
		for _, found := range fetches.FindAllStringSubmatch(m.Stderr.String(), -1) {
			if found[2] == "0" {
				n++
			}
		}
	}
	return n
}

// again is how many segments were fetched once more, as the processes say.
func (r *run) again() (again int) {
	times := map[string]int{}
	for _, m := range r.members {
		for _, found := range fetches.FindAllStringSubmatch(m.Stderr.String(), -1) {
			times[found[1]]++
		}
	}
	if len(times) < r.segments() {
		r.t.Errorf("%d of %d segments are said to be fetched", len(times), r.segments())
	}
	for _, n := range times {
		again += n - 1
	}
	return again
}

// checkChain checks that the name segments are a chain, each of which is committed once.
func (r *run) checkChain(ctx context.Context, reader segments.Reader, all *segments.Index) {
	t := r.t
	t.Helper()
	var before segments.Names
	var epochs []uint64
	files := uint64(0)
	for seq := range uint64(len(all.Segments)) {
		head, _, err := reader.Names(ctx, seq)
		must(t, err)
		commit, err := reader.Commit(ctx, seq)
		must(t, err)
		sealed := all.Sealed(seq)
		files += head.Part.Files
		if seq > 0 && (head.Prev != before.Attempt || head.Part.First != before.Part.End || head.Epoch < before.Epoch || before.Complete) {
			t.Errorf("name segment %d does not follow the one before: %+v after %+v", seq, head, before)
		}
		if sealed.Names != head.Attempt || commit.Names != head.Attempt || sealed.Attempt != commit.Attempt || head.Files != files {
			t.Errorf("segment %d is sealed as %+v, and committed as %+v", seq, sealed, commit)
		}
		if seq == 0 || head.Epoch != before.Epoch {
			epochs = append(epochs, head.Epoch)
		}
		before = head
	}
	if !before.Complete || files != uint64(r.src.Len()) {
		t.Errorf("the chain ends with %d files of %d, complete %v", files, r.src.Len(), before.Complete)
	}
	t.Logf("%d segments, by epochs %v", len(all.Segments), epochs)
}

// checkObjects checks that there is nothing that nobody refers to.
func (r *run) checkObjects(ctx context.Context, all *segments.Index) {
	t := r.t
	t.Helper()
	counts := map[string]int{}
	must(t, r.store.List(ctx, "", "", func(i objects.Info) bool {
		kind, _, _ := strings.Cut(i.Name, "/")
		counts[kind]++
		switch prefix := kind + "/"; prefix {
		case segments.ContentsPrefix, segments.BlobsPrefix:
			seq, attempt, ok := segments.ParseAttempt(prefix, i.Name)
			if s := all.Sealed(seq); !ok || s == nil || s.Attempt != attempt {
				t.Errorf("nobody refers to %s", i.Name)
			}
		case segments.NamesPrefix, segments.CommitsPrefix:
			if seq, _, ok := segments.ParseSeq(prefix, i.Name); !ok || all.Sealed(seq) == nil {
				t.Errorf("nobody refers to %s", i.Name)
			}
		case segments.ManifestsPrefix, segments.MirrorName + "/":
		default:
			t.Errorf("nobody knows %s", i.Name)
		}
		return true
	}))
	if n := len(all.Segments); counts["names"] != n || counts["commits"] != n {
		t.Errorf("%d segments: %v", n, counts)
	}
}

// checkFiles reads every file through a replica.
func (r *run) checkFiles(ctx context.Context) {
	t := r.t
	t.Helper()
	rep, err := replica.Open(ctx, replica.Options{Objects: r.store, Store: cache.Options{Dir: filepath.Join(t.TempDir(), "replica"), Reserve: -1}, PrefetchAll: true})
	must(t, err)
	defer func() { must(t, rep.Close()) }()
	r.until("all names", rep.Names().ListingComplete)
	dirs := map[string]cache.Inode{".": cache.RootInode}
	numbers := map[cache.Inode]string{}
	for i := range r.src.Len() {
		name := r.src.Name(i)
		dir := path.Dir(name)
		parent, ok := dirs[dir]
		if !ok { // of these origins each directory is below the root
			e, err := rep.Names().Lookup(cache.RootInode, dir)
			must(t, err)
			parent, dirs[dir] = e.Inode, e.Inode
			r.checkNumber(numbers, e.Inode, dir)
		}
		e, err := rep.Contents().Fetch(ctx, parent, path.Base(name))
		must(t, err)
		r.checkNumber(numbers, e.Inode, name)
		got := make([]byte, e.Size+1)
		n, err := rep.Names().ReadAt(e.Inode, got, 0)
		must(t, err)
		if want := r.src.Body(i); !bytes.Equal(got[:n], want) {
			t.Errorf("%s has other bytes: %d of %d", name, n, len(want))
		}
	}
	if p := rep.Store().Progress(); p.Files != uint64(r.src.Len()) || p.Fetched != p.Files || p.Dirs != uint64(len(dirs)-1) {
		t.Errorf("the replica counts %+v; %d files in %d directories", p, r.src.Len(), len(dirs))
	}
}

func (r *run) checkNumber(numbers map[cache.Inode]string, ino cache.Inode, name string) {
	if before, twice := numbers[ino]; twice {
		r.t.Errorf("number %d is that of %s and of %s", ino, before, name)
	}
	numbers[ino] = name
}

// figures are what a run has cost.
func (r *run) figures(again int) string {
	return fmt.Sprintf("%d kills, %d segments fetched again, at most %v without a commit, listed on after %v", r.kills, again, r.pause(), r.relisted())
}

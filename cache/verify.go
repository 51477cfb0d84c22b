package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Report is what Verify found.
type Report struct {
	// Entries, Runs and Blobs were read and checked.
	Entries, Runs, Blobs uint64
	// Bytes is the length of the contents that were read.
	Bytes uint64
	// Superseded counts numbers whose name was listed a second time.
	Superseded uint64
	// Unreferenced counts blob files that no entry names, which a crash can
	// leave; they do no harm but take UnreferencedBytes.
	Unreferenced, UnreferencedBytes uint64
	// Problems counts what is wrong; each was told to the function given.
	Problems uint64
}

// verifier walks a store in constant memory, one kind of key after the other.
type verifier struct {
	s        *Store
	ctx      context.Context
	tell     func(problem string)
	report   Report
	progress Progress
	seen     Progress // counted here, to be compared with progress
	steps    uint64
	// named are the names of the runs, with their numbers, without those of the entries,
	// and indexed the runs without those of their index.
	named, indexed blobTally
	shown          uint64 // entries that are not gone
	// blobs are those of the entries, then without those that have a file.
	blobs       blobTally
	maxSuspects int
	// orphan, where it is set, is told of each blob that no entry names.
	orphan func(shard, name string, size uint64) error
	// lost are the stretches of keys that cannot be read, in order.
	lost []span
	// short: some keys cannot be read, so that counts say nothing.
	short bool
	// counting: Repair counts, and what is pending left of settled brings it there.
	counting bool
	settled  Inode
}

// Verify reads everything that the store holds and checks that it agrees with
// itself: the checksum of every block and blob, names and numbers against
// entries, and all of them against the checkpoint and the counts. Every problem
// is told. The store must not be written meanwhile. The error is ctx's or one
// that kept Verify from going on; problems are not errors.
func (s *Store) Verify(ctx context.Context, tell func(problem string)) (Report, error) {
	return s.verify(ctx, tell, maxSuspects)
}

func (s *Store) verify(ctx context.Context, tell func(problem string), suspects int) (Report, error) {
	v := &verifier{s: s, ctx: ctx, tell: tell, progress: s.Progress(), maxSuspects: suspects}
	for _, step := range []func() error{v.tables, v.runs, v.index, v.entries, v.names, v.failures, v.counts, v.unreferenced} {
		if err := step(); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

func (v *verifier) problem(format string, args ...any) {
	v.report.Problems++
	// Some of Pebble's errors have a second line, for its own use.
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	v.tell(line)
}

// maxSpans bounds the damaged stretches that are told apart in all tables; from then
// on a whole table is one.
const maxSpans = 4096

// tables reads all of every table, block by block, and finds what the walks have to
// leave out. A store that is written may put tables together meanwhile.
func (v *verifier) tables() error {
	fs, dir, o := v.s.opts.FS, v.s.opts.FS.PathJoin(v.s.opts.Dir, "db"), v.s.readerOptions()
	all, err := tablesOf(v.s.db)
	if err != nil {
		return err
	}
	var damaged []*dbTable
	for _, t := range all {
		if err := t.check(v.ctx, fs, dir, o); err != nil {
			return err
		}
		if len(t.what) == 0 {
			continue
		}
		if now, err := tablesOf(v.s.db); err != nil || !slices.ContainsFunc(now, func(n *dbTable) bool { return n.number == t.number }) {
			if err != nil {
				return err
			}
			continue
		}
		if len(v.lost) > maxSpans {
			t.lost = []span{t.keys}
		}
		v.lost = append(v.lost, t.lost...)
		damaged = append(damaged, t)
	}
	v.lost = sortSpans(v.lost)
	v.short = len(v.lost) > 0
	for _, t := range damaged {
		v.problem("%s", t.describe(v.path))
	}
	return nil
}

// path is what a directory is called, as far as can be told.
func (v *verifier) path(dir Inode) string {
	if dir == RootInode {
		return "the root"
	}
	if !v.short || !slices.ContainsFunc(v.lost, func(s span) bool { return s.lower[0] == keyRun || s.lower[0] == keyRunIndex }) {
		if path, err := v.s.path(dir); err == nil {
			return strconv.Quote(strings.Join(path, "/"))
		}
	}
	return fmt.Sprintf("directory %d", dir)
}

// walk calls fn for every key that begins with letter and can be read.
func (v *verifier) walk(letter byte, fn func(key, value []byte) error) error {
	part := span{lower: []byte{letter}}
	for _, lost := range v.lost {
		if !lost.overlaps(span{part.lower, []byte{letter + 1}}) {
			continue
		}
		part.upper = lost.lower
		if err := v.walkPart(part, fn); err != nil {
			return err
		}
		part.lower = lost.upper
	}
	part.upper = []byte{letter + 1}
	return v.walkPart(part, fn)
}

func (v *verifier) walkPart(part span, fn func(key, value []byte) error) error {
	if bytes.Compare(part.lower, part.upper) >= 0 {
		return nil
	}
	it, err := v.s.db.NewIter(&pebble.IterOptions{LowerBound: part.lower, UpperBound: part.upper})
	if err != nil {
		return storeError("verify", err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		if v.steps++; v.steps&0xfff == 0 && v.ctx.Err() != nil {
			return errors.Join(v.ctx.Err(), it.Close())
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(storeError("verify", err), it.Close())
		}
		if err := fn(it.Key(), value); err != nil {
			return errors.Join(err, it.Close())
		}
	}
	if err := it.Error(); err != nil {
		v.short = true
		v.problem("%s cannot be read to their end, so they are not counted: %v", what(part.lower[0]), err)
	}
	return ignoreCorrupt(it.Close())
}

// ignoreCorrupt drops an error that was told as a problem already.
func ignoreCorrupt(err error) error {
	if pebble.IsCorruptionError(err) {
		return nil
	}
	return err
}

// entries reads every entry and blob, and counts them.
func (v *verifier) entries() error {
	err := v.walk(keyEntry, func(key, value []byte) error {
		parent, name, _ := splitEntryKey(key)
		e, err := decodeEntry(value)
		if err != nil {
			v.problem("%q of directory %d: %v", name, parent, err)
			v.short = true
			return nil
		}
		v.report.Entries++
		if e.Kind == File && e.State == Gone {
			v.seen.Gone++
			return nil
		}
		v.shown++
		v.named.toggle(entryHash(parent, name, e.Inode, e.Kind))
		if e.Kind == Dir {
			return nil
		}
		return v.content(parent, name, &e)
	})
	if err != nil {
		return err
	}
	return v.walk(keyAside, func(key, value []byte) error {
		e, err := decodeEntry(value)
		if err != nil {
			v.problem("what was replaced, %x: %v", key, err)
		} else if e.State == Blob {
			v.blobs.toggle(e.blob)
		}
		return nil
	})
}

func (v *verifier) content(parent Inode, name []byte, e *Entry) error {
	if e.State == Pending {
		v.pending(parent, name, e)
		return nil
	}
	v.seen.Fetched++
	v.seen.Bytes += uint64(e.Size)
	v.report.Bytes += uint64(e.Size)
	if e.State == Blob {
		v.report.Blobs++
		v.blobs.toggle(e.blob)
		err := v.s.missingBlob(e, v.s.blobs.check(v.ctx, e))
		if _, missing := errors.AsType[*BlobMissingError](err); missing {
			v.blobs.toggle(e.blob) // nobody looks for its file
			return nil
		}
		if errors.Is(err, ErrTransient) || err != nil && errors.Is(err, v.ctx.Err()) {
			return err // it says nothing of the blob
		} else if err != nil {
			v.problem("%q of directory %d: %v", name, parent, err)
		}
	}
	return nil
}

// pending checks that a file left of the checkpoint was dealt with.
func (v *verifier) pending(parent Inode, name []byte, e *Entry) {
	if v.counting {
		if e.Inode < v.settled {
			if failed, err := v.s.hasRecord(e.Inode); err != nil || !failed {
				v.settled = e.Inode
			}
		}
		return
	}
	if e.Inode >= v.progress.Settled || v.short {
		return
	}
	if failed, err := v.s.hasFailed(e.Inode); err != nil || !failed {
		v.problem("%q of directory %d is neither here nor recorded as failed, but the checkpoint is beyond it: %v", name, parent, err)
	}
}

func (v *verifier) failures() error {
	return v.walk(keyFailed, func(key, value []byte) error {
		ino, ok := splitInodeKey(key)
		f, err := decodeFailure(value)
		if !ok || err != nil {
			v.problem("failed file %x: %v", key, err)
			return nil
		}
		v.seen.Failed++
		if v.short {
			return nil
		}
		e, err := v.s.Get(ino)
		// Where names were listed twice, the number's name may be another's.
		if errors.Is(err, ErrNotFound) && v.progress.Unchecked > 0 {
			return nil
		}
		if err != nil || e.State != Pending && v.progress.Unchecked == 0 {
			v.problem("failed file %q, inode %d, is not pending: %v", f.Name, ino, err)
		}
		return nil
	})
}

func (v *verifier) counts() error {
	if v.short {
		return nil
	}
	for _, c := range []struct {
		what      string
		say, seen uint64
		slack     uint64
	}{
		{"files", v.progress.Files, v.seen.Files, v.progress.Unchecked},
		{"directories", v.progress.Dirs, v.seen.Dirs, 0},
		{"fetched files", v.progress.Fetched, v.seen.Fetched, v.progress.Unchecked},
		{"gone files", v.progress.Gone, v.seen.Gone, v.progress.Unchecked},
		{"failed files", v.progress.Failed, v.seen.Failed, v.progress.Unchecked},
	} {
		if c.say < c.seen || c.say-c.seen > c.slack {
			v.problem("the store counts %d %s and holds %d", c.say, c.what, c.seen)
		}
	}
	if v.progress.Unchecked == 0 && v.progress.Bytes != v.seen.Bytes {
		v.problem("the store counts %d bytes and holds %d", v.progress.Bytes, v.seen.Bytes)
	}
	p := &v.progress
	if p.Settled > p.Next || p.Listed > p.Next {
		v.problem("the checkpoint (%d, %d) is beyond the last number given out, %d", p.Listed, p.Settled, p.Next-1)
	}
	return nil
}

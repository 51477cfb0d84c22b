package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// blobTally finds out in constant memory which blob numbers stand in one of two
// sets and not in the other. Each number is put in for each set that it is in,
// which takes a number of both out again; a bucket that is not zero in the end
// has some that are in one only.
type blobTally [1 << 16]uint64

func (t *blobTally) toggle(id uint64) {
	h := blobHash(id)
	t[h%uint64(len(t))] ^= h
}

// odd reports whether id may be in one set only.
func (t *blobTally) odd(id uint64) bool { return t[blobHash(id)%uint64(len(t))] != 0 }

// balanced reports whether both sets are the same. It does not compare with a blobTally{},
// which the compiler would put into the program, all 512 KiB of it.
func (t *blobTally) balanced() bool {
	return !slices.ContainsFunc(t[:], func(b uint64) bool { return b != 0 })
}

// blobHash spreads numbers that lie close together.
func blobHash(id uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], id)
	return xxhash.Sum64(b[:])
}

// maxSuspects bounds the blob files that are looked for among the entries at
// once. One file that no entry names makes suspects of one bucket of the tally;
// so a walk over the entries is enough for about 65536 * maxSuspects / blobs of
// those.
const maxSuspects = 256 << 10

// Reclaim removes the blob files that no entry names, and returns how many and their
// length in bytes. Such are left by a crash between the renaming of a blob and the
// flush of its entry. Nothing else removes them: to know that no entry names a blob is
// to read all entries. A file whose name or place is not that of a blob is left alone.
// Where an entry cannot be read, nothing is removed and the error is ErrCorrupt: it may
// name any of them. The store must not be written meanwhile.
func (s *Store) Reclaim(ctx context.Context) (files, bytes uint64, err error) {
	// What is on the disk must not name them either.
	if err := s.Flush(ctx); err != nil {
		return 0, 0, err
	}
	v := &verifier{s: s, ctx: ctx, maxSuspects: maxSuspects, tell: func(string) {}}
	v.orphan = func(shard, name string, size uint64) error {
		if err := s.blobs.fs.Remove(s.blobs.path(shard, name)); err != nil {
			return fmt.Errorf("remove blob: %w", err)
		}
		files, bytes = files+1, bytes+size
		return nil
	}
	for _, kind := range []byte{keyEntry, keyAside} {
		if err := v.walk(kind, func(key, value []byte) error {
			e, err := decodeEntry(value)
			if err == nil && e.State == Blob {
				v.blobs.toggle(e.blob)
			}
			return err
		}); err != nil {
			return 0, 0, err
		}
	}
	if v.short {
		return 0, 0, fmt.Errorf("%w: not all entries can be read", ErrCorrupt)
	}
	err = v.unreferenced()
	return files, bytes, err
}

// unreferenced counts the blob files that no entry names. A sound store costs
// no more than the listing of its directories.
func (v *verifier) unreferenced() error {
	if v.short {
		return nil // they may be in the entries that cannot be read
	}
	if err := v.blobFiles(func(id uint64) error {
		v.blobs.toggle(id)
		return nil
	}, func(shard, name string) { v.unknownBlob(shard, name) }); err != nil || v.blobs.balanced() {
		return err
	}
	suspects := make(map[uint64]struct{})
	err := v.blobFiles(func(id uint64) error {
		if v.blobs.odd(id) {
			if suspects[id] = struct{}{}; len(suspects) == v.maxSuspects {
				return v.judge(suspects)
			}
		}
		return nil
	}, func(string, string) {})
	if err != nil || len(suspects) == 0 {
		return err
	}
	return v.judge(suspects)
}

// blobFiles calls fn for the number of every blob file, and misplaced for every
// other file.
func (v *verifier) blobFiles(fn func(id uint64) error, misplaced func(shard, name string)) error {
	return v.s.blobs.each(func(shard string, names []string) error {
		for _, name := range names {
			id, err := strconv.ParseUint(name, 16, 64)
			if err != nil || blobName(id) != name || shardName(id) != shard {
				misplaced(shard, name)
			} else if err := fn(id); err != nil {
				return err
			}
		}
		return v.ctx.Err()
	})
}

// judge reports those of the suspects that no entry names, and lets all of them go.
func (v *verifier) judge(suspects map[uint64]struct{}) error {
	for _, kind := range []byte{keyEntry, keyAside} {
		if err := v.walk(kind, func(_, value []byte) error {
			if e, err := decodeEntry(value); err == nil && e.State == Blob {
				delete(suspects, e.blob)
			}
			return nil
		}); err != nil || v.short {
			return err
		}
	}
	for id := range suspects {
		shard, name := shardName(id), blobName(id)
		if size, ok := v.unknownBlob(shard, name); ok && v.orphan != nil {
			if err := v.orphan(shard, name, size); err != nil {
				return err
			}
		}
	}
	clear(suspects)
	return nil
}

// unknownBlob counts a name among the blobs that is none, or that no entry names. It
// returns the length, and whether there is a file that can be looked at.
func (v *verifier) unknownBlob(shard, name string) (size uint64, ok bool) {
	v.report.Unreferenced++
	info, err := v.s.blobs.fs.Stat(v.s.blobs.path(shard, name))
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	v.report.UnreferencedBytes += uint64(info.Size())
	return uint64(info.Size()), true
}

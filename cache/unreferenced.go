package cache

import (
	"encoding/binary"
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

// unreferenced counts the blob files that no entry names. A sound store costs
// no more than the listing of its directories.
func (v *verifier) unreferenced() error {
	if v.short {
		return nil // they may be in the entries that cannot be read
	}
	if err := v.blobFiles(func(id uint64) error {
		v.blobs.toggle(id)
		return nil
	}, v.unknownBlob); err != nil || v.blobs == (blobTally{}) {
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
	if err := v.walk(keyEntry, func(_, value []byte) error {
		if e, err := decodeEntry(value); err == nil && e.State == Blob {
			delete(suspects, e.blob)
		}
		return nil
	}); err != nil {
		return err
	}
	for id := range suspects {
		v.unknownBlob(shardName(id), blobName(id))
	}
	clear(suspects)
	return nil
}

// unknownBlob counts a file among the blobs that is none, or that no entry names.
func (v *verifier) unknownBlob(shard, name string) {
	v.report.Unreferenced++
	if info, err := v.s.blobs.fs.Stat(v.s.blobs.path(shard, name)); err == nil {
		v.report.UnreferencedBytes += uint64(info.Size())
	}
}

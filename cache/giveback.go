package cache

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"

	iofs "io/fs"
)

// keyRange is the entries from a key on and before another one.
type keyRange struct{ from, to []byte }

// maxRanges bounds the ranges that GiveBack works at one by one.
const maxRanges = 64

// GiveBack gives the room of contents that were taken back to the disk, of the segments whose
// numbers begin at firsts: without it, that is done when the database next puts their entries
// together. It rewrites the entries that lie among theirs too, so it is for many at once.
func (s *Store) GiveBack(ctx context.Context, firsts []Inode) error {
	var ranges []keyRange
	for _, first := range firsts {
		seg, err := s.segment(first)
		if err != nil {
			return err
		}
		of, err := s.entriesOf(&seg.Names)
		if err != nil {
			return err
		}
		ranges = append(ranges, of...)
	}
	for _, r := range join(ranges) {
		if err := s.db.Compact(ctx, r.from, r.to, false); err != nil {
			return storeError("give room back", err)
		}
	}
	return nil
}

// entriesOf returns where the entries of a segment's files stand: those in its own
// directories together, and those in each of the directories before it.
func (s *Store) entriesOf(c *NameCounts) ([]keyRange, error) {
	var own bool
	old := map[Inode]keyRange{}
	for r, err := range s.eachRun(c.First, c.End) {
		if err != nil {
			return nil, err
		}
		if r.kind != File || r.first < c.First {
			continue
		}
		if r.parent >= c.First {
			own = true
			continue
		}
		in := old[r.parent]
		if err := r.each(0, func(_ int, name []byte) bool {
			key := append(appendEntryKey(nil, r.parent, ""), name...)
			if in.from == nil || bytes.Compare(key, in.from) < 0 {
				in.from = key
			}
			if bytes.Compare(key, in.to) > 0 {
				in.to = key
			}
			return true
		}); err != nil {
			return nil, err
		}
		old[r.parent] = in
	}
	var ranges []keyRange
	if own {
		ranges = append(ranges, keyRange{appendEntryKey(nil, c.First, ""), appendEntryKey(nil, c.End, "")})
	}
	for _, in := range old {
		if in.from != nil {
			ranges = append(ranges, keyRange{in.from, append(in.to, 0)})
		}
	}
	return ranges, nil
}

// join joins ranges that overlap, and all of them where they are too many.
func join(ranges []keyRange) []keyRange {
	slices.SortFunc(ranges, func(a, b keyRange) int { return bytes.Compare(a.from, b.from) })
	var joined []keyRange
	for _, r := range ranges {
		last := len(joined) - 1
		switch {
		case last < 0 || bytes.Compare(joined[last].to, r.from) < 0:
			joined = append(joined, r)
		case bytes.Compare(joined[last].to, r.to) < 0:
			joined[last].to = r.to
		}
	}
	if n := len(joined); n > maxRanges {
		return []keyRange{{joined[0].from, joined[n-1].to}}
	}
	return joined
}

// BlobShards is in how many folders blob files stand.
const BlobShards = 256

// BlobShard returns in which of them that of a file stands, from 0 on.
func BlobShard(ino Inode) int { return int(ino % BlobShards) }

// Blobs calls fn for the blob files that are here in a shard, of a store into which segments are
// brought, with the numbers of their files and their lengths in bytes, until it returns
// false. Some that come or go meanwhile are among them.
func (s *Store) Blobs(shard int, fn func(ino Inode, size int64) bool) error {
	dir := s.blobs.path(shardName(uint64(shard)))
	names, err := s.opts.FS.List(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		id, err := strconv.ParseUint(name, 16, 64)
		if err != nil || name != blobName(id) {
			continue
		}
		info, err := s.opts.FS.Stat(s.opts.FS.PathJoin(dir, name))
		if err == nil && !fn(Inode(id), info.Size()) {
			return nil
		}
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return nil
}

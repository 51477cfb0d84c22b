package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/motefs/motefs/cache"
)

// blobs counts the blob files of the local store for segment.blobs. Those from before an Open are
// found by a walk, one shard after the other; those that come meanwhile are not counted twice.
type blobs struct {
	mu struct {
		sync.Mutex
		// walked is how many shards the walk has behind it, and walking that it is in the
		// next one.
		walked  int
		walking bool
		// coming are the blobs that are being downloaded, at most downloads, and those that came
		// into the shard in which the walk is: it leaves them out.
		coming map[cache.Inode]arrived
	}
}

// arrived is a blob that has come, its zero value one that has not yet.
type arrived struct {
	of   *segment
	size int64 // in bytes
}

// expect says that a blob may come, before it can be seen.
func (b *blobs) expect(ino cache.Inode) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.coming == nil {
		b.mu.coming = map[cache.Inode]arrived{}
	}
	b.mu.coming[ino] = arrived{}
}

// settle says what became of it: size is 0 where it did not come.
func (b *blobs) settle(ino cache.Inode, of *segment, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shard := cache.BlobShard(ino)
	if size > 0 && b.mu.walking && shard == b.mu.walked {
		b.mu.coming[ino] = arrived{of, size}
		return
	}
	delete(b.mu.coming, ino)
	if size > 0 && shard < b.mu.walked {
		of.blobs.Add(size) // else the walk finds it
	}
}

// isComing reports whether a blob is left out of the walk.
func (b *blobs) isComing(ino cache.Inode) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, coming := b.mu.coming[ino]
	return coming
}

// next begins the next shard, and returns it, or cache.BlobShards where all are walked.
func (b *blobs) next() (shard int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.walking = b.mu.walked < cache.BlobShards
	return b.mu.walked
}

// done ends a shard. Where it was not walked to its end, the next walk finds what came into it.
func (b *blobs) done(found map[*segment]int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.walking = false
	for ino, a := range b.mu.coming {
		if a.of != nil {
			found[a.of] += a.size
			delete(b.mu.coming, ino)
		}
	}
	if err != nil {
		return
	}
	for s, size := range found {
		s.blobs.Add(size)
	}
	b.mu.walked++
}

// countBlobs notes which blobs are here from before, and goes on where an error has ended it. Those
// that no segment has nobody can read, and they are removed.
func (r *Replica) countBlobs(ctx context.Context) error {
	var strays counted
	for ctx.Err() == nil {
		shard := r.blobs.next()
		if shard == cache.BlobShards {
			break
		}
		found, err := r.walkBlobs(shard, &strays)
		r.blobs.done(found, err)
		if err != nil {
			return fmt.Errorf("count which contents are here: %w", err)
		}
	}
	if strays.files > 0 {
		r.log.Info().Int("files", strays.files).Int64("bytes", strays.bytes).Msg("removed contents from the local store of which the mirror has no file")
	}
	return context.Cause(ctx)
}

// counted is how many files were counted, and how long they are.
type counted struct {
	files int
	bytes int64
}

// walkBlobs finds the blobs of a shard.
func (r *Replica) walkBlobs(shard int, strays *counted) (found map[*segment]int64, err error) {
	found = map[*segment]int64{}
	walk := r.store.Blobs(shard, func(ino cache.Inode, size int64) bool {
		if r.blobs.isComing(ino) {
			return true
		}
		if s := r.catalog.Load().of(ino); s != nil {
			found[s] += size
			return true
		}
		if _, err = r.store.DropBlob(ino); err == nil {
			strays.files++
			strays.bytes += size
		}
		return err == nil
	})
	return found, errors.Join(walk, err)
}

// dropLeft removes the blobs that stayed where their segments were taken back: the disk had not
// removed them, or they came in between.
func (r *Replica) dropLeft(ctx context.Context, of map[*segment]bool) error {
	var failed error // of many, one says why
	for shard := range cache.BlobShards {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		walk := r.store.Blobs(shard, func(ino cache.Inode, size int64) bool {
			s := r.catalog.Load().of(ino)
			if !of[s] || s.size(true) > 0 || r.blobs.isComing(ino) {
				return true
			}
			dropped, err := r.store.DropBlob(ino)
			if dropped {
				s.freed(size)
			}
			failed = cmp.Or(failed, err)
			return true
		})
		if walk != nil {
			return walk
		}
	}
	return failed
}

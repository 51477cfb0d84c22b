package cache

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// check reads a whole blob and compares its length and its sum.
func (b *blobStore) check(ctx context.Context, e *Entry) error {
	b.open.Lock()
	file, err := b.openLocked(e.blob)
	b.open.Unlock()
	if err != nil {
		return err
	}
	defer file.Close()
	sum := newSums()
	n, err := io.Copy(sum, &ctxReader{ctx, io.LimitReader(file, e.Size)})
	if err != nil {
		return fmt.Errorf("blob %s: %w", blobName(e.blob), err)
	}
	behind, err := io.ReadAll(io.LimitReader(file, sumsOf(e.Size)*sumLen+1))
	if err != nil {
		return fmt.Errorf("blob %s: %w", blobName(e.blob), err)
	}
	if n != e.Size || sum.Sum64() != e.sum {
		return fmt.Errorf("%w: blob %s has %d bytes with sum %016x, its entry says %d with %016x",
			ErrCorrupt, blobName(e.blob), n, sum.Sum64(), e.Size, e.sum)
	}
	if !bytes.Equal(behind, sum.all()) {
		return fmt.Errorf("%w: blob %s has damaged sums behind its content", ErrCorrupt, blobName(e.blob))
	}
	return nil
}

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// each calls fn for every shard that there is, with the blob files in it.
func (b *blobStore) each(fn func(shard string, ids []string) error) error {
	shards, err := b.fs.List(b.dir)
	if err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for _, shard := range shards {
		if len(shard) != 2 {
			continue
		}
		ids, err := b.fs.List(b.path(shard))
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		if err := fn(shard, ids); err != nil {
			return err
		}
	}
	return nil
}

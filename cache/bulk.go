package cache

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// bulk deletes many keys, in batches of bulkBatch.
type bulk struct {
	s     *Store
	ctx   context.Context
	batch *pebble.Batch
}

// bulkBatch is how much is written at once where there is no bound to it, in bytes.
const bulkBatch = 1 << 20

func (b *bulk) delete(key []byte) error {
	if err := b.batch.Delete(key, nil); err != nil {
		return err
	}
	if b.batch.Len() <= bulkBatch {
		return nil
	}
	err := errors.Join(b.s.db.Apply(b.batch, pebble.NoSync), b.batch.Close(), b.ctx.Err())
	b.batch = b.s.db.NewBatch()
	return err
}

// end writes what is left, if that is wanted.
func (b *bulk) end(write bool) error {
	if write && !b.batch.Empty() {
		return errors.Join(b.s.db.Apply(b.batch, pebble.NoSync), b.batch.Close())
	}
	return b.batch.Close()
}

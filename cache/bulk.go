package cache

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// eachKey calls fn for every key that begins with letter, in their order.
func eachKey(r pebble.Reader, letter byte, doing string, fn func(key, value []byte) error) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{letter}, UpperBound: []byte{letter + 1}})
	if err != nil {
		return storeError(doing, err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = fn(it.Key(), value)
		}
		if err != nil {
			return errors.Join(storeError(doing, err), it.Close())
		}
	}
	return errors.Join(storeError(doing, it.Error()), it.Close())
}

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

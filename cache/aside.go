package cache

import (
	"context"
	"errors"
	iofs "io/fs"

	"github.com/cockroachdb/pebble/v2"
)

// aside returns the entry of a number whose name another one has now, or none; see
// Options.KeepOld.
func (s *Store) aside(ino Inode) (Entry, error) {
	value, err := s.getString(appendAsideKey(nil, ino))
	if err != nil {
		return Entry{}, err
	}
	return decodeEntry([]byte(value))
}

// sweep drops what was set aside before the last Flush, with its blob files.
func (s *Store) sweep(ctx context.Context) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyAside}, UpperBound: []byte{keyAside + 1}})
	if err != nil {
		return storeError("drop what was replaced", err)
	}
	b := bulk{s: s, ctx: ctx, batch: s.db.NewBatch()}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var value []byte
		if value, err = it.ValueAndErr(); err != nil {
			break
		}
		if e, bad := decodeEntry(value); bad == nil && e.State == Blob {
			if err = s.blobs.remove(e.blob); errors.Is(err, iofs.ErrNotExist) {
				err = nil
			}
		}
		err = errors.Join(err, b.delete(it.Key()))
	}
	return errors.Join(err, storeError("drop what was replaced", it.Error()), it.Close(), b.end(err == nil))
}

package cache

import (
	"context"
	"errors"
	iofs "io/fs"
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
	b := bulk{s: s, ctx: ctx, batch: s.db.NewBatch()}
	err := eachKey(s.db, keyAside, "drop what was replaced", func(key, value []byte) error {
		if e, bad := decodeEntry(value); bad == nil && e.State == Blob {
			err := s.blobs.remove(e.blob)
			s.blobs.letGo(e.blob) // else its room is not given back
			if err != nil && !errors.Is(err, iofs.ErrNotExist) {
				return err
			}
		}
		return b.delete(key)
	})
	return errors.Join(err, b.end(err == nil))
}

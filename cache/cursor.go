package cache

import (
	"bytes"
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// cursor finds many entries, fast where they are asked for in the store's
// order: then the next one is a step and not a search away. It costs nothing until it
// is used, and must be closed.
type cursor struct {
	db       *pebble.DB
	it       *pebble.Iterator
	key      []byte
	on       bool // it stands on an entry
	searches int  // how often a step did not do
	// alone has each entry be looked up by itself, which is quicker for a few anywhere:
	// the tables' filters say in which it is not. It has no place then.
	alone bool
	got   io.Closer // what find returned last
}

// open makes the iterator, where there is none.
func (c *cursor) open() (err error) {
	if c.it == nil {
		c.it, err = c.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyEntry}, UpperBound: []byte{keyEntry + 1}})
	}
	return storeError("find entry", err)
}

func (c *cursor) close() error {
	err := c.letGo()
	if c.it != nil {
		err = errors.Join(err, c.it.Close())
	}
	return err
}

// letGo gives up what a look-up by itself returned.
func (c *cursor) letGo() error {
	if c.got == nil {
		return nil
	}
	err := c.got.Close()
	c.got = nil
	return err
}

// get is findKey without the iterator.
func (c *cursor) get() (value []byte, ok bool, err error) {
	if err := c.letGo(); err != nil {
		return nil, false, err
	}
	value, c.got, err = c.db.Get(c.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, storeError("find entry", err)
}

// find returns the value of an entry, valid until the next call.
func (c *cursor) find(parent Inode, name string) (value []byte, ok bool, err error) {
	c.key = appendEntryKey(c.key[:0], parent, name)
	return c.findKey()
}

// findKey is find for the entry whose key is c.key.
func (c *cursor) findKey() (value []byte, ok bool, err error) {
	if c.alone {
		return c.get()
	}
	if err := c.open(); err != nil {
		return nil, false, err
	}
	at := -1
	if c.on {
		if at = bytes.Compare(c.it.Key(), c.key); at < 0 {
			if c.on = c.it.Next(); c.on {
				at = bytes.Compare(c.it.Key(), c.key)
			}
		}
	}
	if !c.on || at != 0 {
		c.searches++
		if c.on = c.it.SeekGE(c.key); !c.on {
			return nil, false, storeError("find entry", c.it.Error())
		}
		at = bytes.Compare(c.it.Key(), c.key)
	}
	if at != 0 {
		return nil, false, nil
	}
	value, err = c.value()
	return value, err == nil, err
}

// entry is find with the entry that the value stands for; raw is nil where there is
// none. Its content is valid until the next call, as raw is.
func (c *cursor) entry(parent Inode, name string) (raw []byte, e Entry, err error) {
	raw, ok, err := c.find(parent, name)
	if err != nil || !ok {
		return nil, Entry{}, err
	}
	e, err = decodeEntry(raw)
	return raw, e, err
}

// seek moves to the first entry that is not before a name.
func (c *cursor) seek(parent Inode, name string) error {
	if err := c.open(); err != nil {
		return err
	}
	c.key = appendEntryKey(c.key[:0], parent, name)
	c.on = c.it.SeekGE(c.key)
	return storeError("find entry", c.it.Error())
}

// next moves to the next entry.
func (c *cursor) next() error {
	c.on = c.it.Next()
	return storeError("find entry", c.it.Error())
}

// value is that of the entry on which it stands, valid until it moves.
func (c *cursor) value() ([]byte, error) {
	value, err := c.it.ValueAndErr()
	return value, storeError("find entry", err)
}

package cache

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
)

// cursor finds many entries, fast where they are asked for in the store's
// order: then the next one is a step and not a search away.
type cursor struct {
	it       *pebble.Iterator
	key      []byte
	on       bool // it stands on an entry
	searches int  // how often a step did not do
}

// find returns the value of an entry, valid until the next call.
func (c *cursor) find(parent Inode, name string) (value []byte, ok bool, err error) {
	c.key = appendEntryKey(c.key[:0], parent, name)
	return c.findKey()
}

// findKey is find for the entry whose key is c.key.
func (c *cursor) findKey() (value []byte, ok bool, err error) {
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
	value, err = c.it.ValueAndErr()
	return value, err == nil, storeError("find entry", err)
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

// empty reports whether the directory has no entry from first to last.
func (c *cursor) empty(parent Inode, first, last string) (bool, error) {
	c.key = appendEntryKey(c.key[:0], parent, first)
	if c.on = c.it.SeekGE(c.key); !c.on {
		return true, storeError("find entry", c.it.Error())
	}
	c.key = appendEntryKey(c.key[:0], parent, last)
	return bytes.Compare(c.it.Key(), c.key) > 0, nil
}

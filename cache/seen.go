package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// seenChunk is how many numbers a chunk of the map of seen numbers has, seenCache
	// how many bytes of chunks are in memory; the others are in the store.
	seenChunk = 32 << 10
	seenCache = 32 << 20
)

// seenMap has a bit for each inode number below limit: whether a refresh has dealt
// with it. It is a part of the store:
//
//	s chunk    the bits of seenChunk numbers, as 64-bit words in little endian
//
// A chunk is written when it leaves the memory, and all of them before the refresh's
// checkpoint moves over what they say.
type seenMap struct {
	s     *Store
	limit Inode
	// memory has nothing written: for a dry run.
	memory bool
	mu     struct {
		sync.Mutex
		chunks *simplelru.LRU[uint64, *seenBits]
		err    error // of writing one that had to leave
		// last is the chunk used last; number its number.
		last   *seenBits
		number uint64
	}
}

type seenBits struct {
	words [seenChunk / 64]uint64
	dirty bool
}

func newSeenMap(s *Store, limit Inode, memory bool) (*seenMap, error) {
	m := &seenMap{s: s, limit: limit, memory: memory}
	n := seenCache / (seenChunk / 8)
	if memory {
		n = int(limit/seenChunk) + 2
	}
	var err error
	m.mu.chunks, err = simplelru.NewLRU(n, func(chunk uint64, b *seenBits) {
		if b.dirty && !m.memory {
			m.mu.err = errors.Join(m.mu.err, m.s.db.Set(appendSeenKey(nil, chunk), b.value(), pebble.NoSync))
		}
	})
	return m, err
}

func (b *seenBits) value() []byte {
	value := make([]byte, 0, seenChunk/8)
	for _, w := range b.words {
		value = binary.LittleEndian.AppendUint64(value, w)
	}
	return value
}

// chunkLocked returns the chunk with that number.
func (m *seenMap) chunkLocked(chunk uint64) (*seenBits, error) {
	if m.mu.last != nil && m.mu.number == chunk {
		return m.mu.last, nil
	}
	b, ok := m.mu.chunks.Get(chunk)
	if !ok {
		b = &seenBits{}
		if err := m.load(chunk, b); err != nil {
			return nil, err
		}
		m.mu.chunks.Add(chunk, b)
	}
	m.mu.last, m.mu.number = b, chunk
	return b, m.mu.err
}

// load reads what the store has of a chunk.
func (m *seenMap) load(chunk uint64, b *seenBits) error {
	if m.memory {
		return nil
	}
	value, err := m.s.getString(appendSeenKey(nil, chunk))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil && len(value) != seenChunk/8 {
		err = fmt.Errorf("%w: what a refresh has seen does not decode", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	for i := range b.words {
		b.words[i] = binary.LittleEndian.Uint64([]byte(value[8*i : 8*i+8]))
	}
	return nil
}

// set notes that a number was dealt with.
func (m *seenMap) set(ino Inode) error {
	if ino >= m.limit {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.chunkLocked(uint64(ino) / seenChunk)
	if err != nil {
		return err
	}
	if w, bit := &b.words[ino%seenChunk/64], uint64(1)<<(ino%64); *w&bit == 0 {
		*w |= bit
		b.dirty = true
	}
	return nil
}

// has reports whether a number was dealt with, or is beyond the limit.
func (m *seenMap) has(ino Inode) (bool, error) {
	if ino >= m.limit {
		return true, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.chunkLocked(uint64(ino) / seenChunk)
	if err != nil {
		return false, err
	}
	return b.words[ino%seenChunk/64]&(1<<(ino%64)) != 0, nil
}

// save puts what is not written yet into a batch.
func (m *seenMap) save(batch *pebble.Batch) error {
	if m.memory {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, chunk := range m.mu.chunks.Keys() {
		b, _ := m.mu.chunks.Peek(chunk)
		if !b.dirty {
			continue
		}
		if err := batch.Set(appendSeenKey(nil, chunk), b.value(), nil); err != nil {
			return err
		}
		b.dirty = false
	}
	return m.mu.err
}

// clear forgets everything, also in the store with the batch.
func (m *seenMap) clear(batch *pebble.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, chunk := range m.mu.chunks.Keys() {
		b, _ := m.mu.chunks.Peek(chunk)
		b.dirty = false
	}
	m.mu.chunks.Purge()
	m.mu.last = nil
	return eachKey(m.s.db, keySeen, "forget what a refresh has seen", func(key, _ []byte) error { return batch.Delete(key, nil) })
}

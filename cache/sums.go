package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Behind its content a blob file has the XXH64 of each sumBlock bytes of it, 8 bytes
// in little endian; the entry has that of all these sums. So a part of a long content
// is checked without the rest, and a file that stands in another's place is noticed.
const (
	sumBlock = 64 << 10
	sumLen   = 8
)

// sums adds up a content as it comes: sumLen bytes for each block.
type sums struct {
	block xxhash.Digest
	in    int // bytes of the block that has begun
	whole []byte
}

func newSums() *sums {
	s := &sums{}
	s.block.Reset()
	return s
}

// Write never fails.
func (s *sums) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part := p[:min(len(p), sumBlock-s.in)]
		_, _ = s.block.Write(part)
		p, s.in = p[len(part):], s.in+len(part)
		if s.in == sumBlock {
			s.whole, s.in = binary.LittleEndian.AppendUint64(s.whole, s.block.Sum64()), 0
			s.block.Reset()
		}
	}
	return n, nil
}

// all are the sums of what has come.
func (s *sums) all() []byte {
	if s.in == 0 {
		return s.whole
	}
	return binary.LittleEndian.AppendUint64(s.whole[:len(s.whole):len(s.whole)], s.block.Sum64())
}

// Sum64 is the sum of the sums.
func (s *sums) Sum64() uint64 { return xxhash.Sum64(s.all()) }

// sumsOf is how many sums a content of size bytes has.
func sumsOf(size int64) int64 { return (size + sumBlock - 1) / sumBlock }

// checkedFile is an open blob file whose blocks are checked when they are first read.
type checkedFile struct {
	vfs.File
	entry Entry
	// sums is held while they are checked as a whole; good has a bit for each block
	// that was right.
	sums struct {
		sync.Mutex
		checked atomic.Bool
	}
	good []atomic.Uint64
}

func newCheckedFile(f vfs.File, e *Entry) *checkedFile {
	return &checkedFile{File: f, entry: *e, good: make([]atomic.Uint64, (sumsOf(e.Size)+63)/64)}
}

// checkSums checks, once, that the file has the length and the sums that its entry says.
func (c *checkedFile) checkSums() error {
	if c.sums.checked.Load() {
		return nil
	}
	c.sums.Lock()
	defer c.sums.Unlock()
	info, err := c.Stat()
	if err != nil {
		return &DiskError{Err: err}
	}
	e, n := &c.entry, sumsOf(c.entry.Size)*sumLen
	if want := e.Size + n; info.Size() != want {
		return fmt.Errorf("%w: blob %s has %d bytes and should have %d", ErrCorrupt, blobName(e.blob), info.Size(), want)
	}
	sum := xxhash.New()
	if _, err := io.Copy(sum, io.NewSectionReader(c, e.Size, n)); err != nil {
		return &DiskError{Err: err}
	}
	if sum.Sum64() != e.sum {
		return fmt.Errorf("%w: blob %s is not the one that its entry names, or its sums are damaged", ErrCorrupt, blobName(e.blob))
	}
	c.sums.checked.Store(true)
	return nil
}

// blockBuffers are for blocks of which only a part was asked for.
var blockBuffers = sync.Pool{New: func() any { return new([sumBlock]byte) }}

// readAt fills p from off on, both within the content.
func (c *checkedFile) readAt(p []byte, off int64) error {
	if err := c.checkSums(); err != nil {
		return err
	}
	if err := c.readFull(p, off); err != nil {
		return err
	}
	for k := off / sumBlock; k*sumBlock < off+int64(len(p)); k++ {
		word, bit := &c.good[k/64], uint64(1)<<(k%64)
		if word.Load()&bit != 0 {
			continue
		}
		from, to := k*sumBlock, min((k+1)*sumBlock, c.entry.Size)
		if from >= off && to <= off+int64(len(p)) {
			if err := c.checkBlock(k, p[from-off:to-off]); err != nil {
				return err
			}
		} else if err := c.readBlock(k, p, off); err != nil {
			return err
		}
		word.Or(bit)
	}
	return nil
}

// readBlock reads all of a block of which p has a part, and gives p that.
func (c *checkedFile) readBlock(k int64, p []byte, off int64) error {
	buf := blockBuffers.Get().(*[sumBlock]byte)
	defer blockBuffers.Put(buf)
	from := k * sumBlock
	whole := buf[:min(sumBlock, c.entry.Size-from)]
	if err := c.readFull(whole, from); err != nil {
		return err
	}
	if err := c.checkBlock(k, whole); err != nil {
		return err
	}
	if from < off {
		whole, from = whole[off-from:], off
	}
	copy(p[from-off:], whole)
	return nil
}

func (c *checkedFile) checkBlock(k int64, content []byte) error {
	var sum [sumLen]byte
	if err := c.readFull(sum[:], c.entry.Size+k*sumLen); err != nil {
		return err
	}
	if binary.LittleEndian.Uint64(sum[:]) != xxhash.Sum64(content) {
		return fmt.Errorf("%w: blob %s, %d bytes from %d on", ErrCorrupt, blobName(c.entry.blob), len(content), k*sumBlock)
	}
	return nil
}

func (c *checkedFile) readFull(p []byte, off int64) error {
	n, err := c.File.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: blob %s ends at %d", ErrCorrupt, blobName(c.entry.blob), off+int64(n))
	}
	return &DiskError{Err: err}
}

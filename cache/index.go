package cache

import (
	"encoding/binary"
	"fmt"
)

// runIndex is the value of an i key: the directory of the run that begins there and,
// where it is not a run of the listing's files, a mark that says so:
//
//	uvarint  the directory
//	byte     markDirs or markAsked, left out for 0
//
// A repair, and programs of before 2026-11-29, leave the mark out of all; see conflicts.
type runIndex struct {
	parent Inode
	mark   byte
}

const (
	markDirs  = 1 // the names are those of directories
	markAsked = 2 // the name was asked for by a reader before it was listed
)

func newRunIndex(parent Inode, kind Kind) runIndex {
	if kind == Dir {
		return runIndex{parent, markDirs}
	}
	return runIndex{parent: parent}
}

func appendRunIndex(dst []byte, index runIndex) []byte {
	dst = binary.AppendUvarint(dst, uint64(index.parent))
	if index.mark != 0 {
		dst = append(dst, index.mark)
	}
	return dst
}

func decodeRunIndex(value []byte) (runIndex, error) {
	d := decoder{rest: value}
	index := runIndex{parent: Inode(d.uvarint())}
	if len(d.rest) > 0 {
		index.mark = d.byte()
	}
	if d.bad || len(d.rest) > 0 || index.mark > markAsked {
		return runIndex{}, fmt.Errorf("%w: index of a run of %d bytes does not decode", ErrCorrupt, len(value))
	}
	return index, nil
}

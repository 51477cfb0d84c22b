package cache

import "encoding/binary"

// The first byte of every key; see doc.go for the layout.
const (
	keyEntry    = 'd'
	keyFailed   = 'f'
	keyRunIndex = 'i'
	keyMeta     = 'm'
	keyAside    = 'o'
	keyRun      = 'p'
	keySegment  = 'n'
	keySeen     = 's'
	keyTag      = 't'
)

// inodeLen is the length of an inode number in a key: big endian, so that keys
// sort by number.
const inodeLen = 8

// entryKeyLen is the length of an entry's key without the name.
const entryKeyLen = 1 + inodeLen

var (
	metaID       = []byte{keyMeta, 'i'}
	metaNumbers  = []byte{keyMeta, 'n'}
	metaProgress = []byte{keyMeta, 'p'}
	metaRefresh  = []byte{keyMeta, 'r'}
)

func appendEntryKey(dst []byte, parent Inode, name string) []byte {
	dst = append(dst, keyEntry)
	dst = binary.BigEndian.AppendUint64(dst, uint64(parent))
	return append(dst, name...)
}

func putEntryKey(dst []byte, parent Inode, name string) {
	dst[0] = keyEntry
	binary.BigEndian.PutUint64(dst[1:], uint64(parent))
	copy(dst[entryKeyLen:], name)
}

func appendRunKey(dst []byte, parent, first Inode) []byte {
	dst = append(dst, keyRun)
	dst = binary.BigEndian.AppendUint64(dst, uint64(parent))
	return binary.BigEndian.AppendUint64(dst, uint64(first))
}

func appendRunIndexKey(dst []byte, first Inode) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyRunIndex), uint64(first))
}

func appendFailedKey(dst []byte, ino Inode) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyFailed), uint64(ino))
}

func appendAsideKey(dst []byte, ino Inode) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyAside), uint64(ino))
}

func appendSeenKey(dst []byte, chunk uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keySeen), chunk)
}

// splitEntryKey takes an entry's key apart. The name shares the key's memory.
func splitEntryKey(key []byte) (parent Inode, name []byte, ok bool) {
	if len(key) < entryKeyLen || key[0] != keyEntry {
		return 0, nil, false
	}
	return Inode(binary.BigEndian.Uint64(key[1:])), key[entryKeyLen:], true
}

func splitRunKey(key []byte) (parent, first Inode, ok bool) {
	if len(key) != 1+2*inodeLen || key[0] != keyRun {
		return 0, 0, false
	}
	return Inode(binary.BigEndian.Uint64(key[1:])), Inode(binary.BigEndian.Uint64(key[1+inodeLen:])), true
}

// splitInodeKey takes apart a key that is a letter and an inode number.
func splitInodeKey(key []byte) (Inode, bool) {
	if len(key) != 1+inodeLen {
		return 0, false
	}
	return Inode(binary.BigEndian.Uint64(key[1:])), true
}

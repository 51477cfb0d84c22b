package cache

// Inode is the number of a file or directory: given out in listing order, kept
// for ever, never used twice.
type Inode uint64

const (
	// RootInode is the number of the mount's root directory.
	RootInode Inode = 1
	// FirstInode is the lowest number given to an entry; those below it are
	// reserved.
	FirstInode Inode = 16
)

// Kind tells files from directories.
type Kind uint8

// The kinds of an entry.
const (
	File Kind = iota
	Dir
)

// State says where an entry's content is.
type State uint8

// The states of a file. A directory is always Inline.
const (
	// Pending: listed, its content is not here yet.
	Pending State = iota
	// Inline: the content stands in the entry itself.
	Inline
	// Blob: the content is a file of its own in the store.
	Blob
	// Gone: the origin listed it and then answered 404 or 410.
	Gone
)

// Entry is one directory entry with all that is known of it.
type Entry struct {
	Inode Inode
	Kind  Kind
	State State
	// Size is the content's length in bytes; of a pending file it is what the
	// listing said, or -1.
	Size int64
	// ModTime is when the origin's file was changed last, as its listing says or else its
	// Last-Modified, in seconds since 1970, or 0.
	ModTime int64
	// Fetched is when the content came, or if it is a Blob began to come, in
	// seconds since 1970; of a directory when it was first seen.
	Fetched int64
	// ETag is the origin's validator, or empty.
	ETag string
	// Content is the whole content of an Inline file. It is shared and must
	// not be changed.
	Content []byte
	// Arriving is set for a Pending file of which Size, ModTime, Fetched and
	// ETag are those of the content that is on its way, and of which what has
	// come can be read. Only the engine sets it; it is never stored.
	Arriving bool
	// blob names the file that holds a Blob's content, and sum is that of the
	// sums of its blocks; see sums.go.
	blob uint64
	sum  uint64
}

// Here reports whether the content can be read without the origin.
func (e *Entry) Here() bool { return e.State == Inline || e.State == Blob }

// DirEntry is one name of a directory as ReadDir hands it out.
type DirEntry struct {
	Inode Inode
	Kind  Kind
	// Name is valid until the function that it was handed to returns.
	Name []byte
}

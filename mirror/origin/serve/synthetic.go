package serve

import (
	"bytes"
	"strconv"
	"time"
)

const (
	// DefaultBodySize is how long a synthetic file is, in bytes.
	DefaultBodySize = 100
	// DefaultLargeSize is how long a large synthetic file is, in bytes.
	DefaultLargeSize = 64 << 20

	// streamAbove is from what length on a body is streamed.
	streamAbove = 1 << 20

	fileDigits = 12
	dirDigits  = 6
	filePrefix = "file-"
)

// SyntheticOptions says what files a Synthetic has. The zero value has none.
type SyntheticOptions struct {
	// Files is how many there are.
	Files int64
	// BodySize is how long a file is, in bytes. Default DefaultBodySize; a
	// negative one makes empty files.
	BodySize int64
	// VarySize makes the lengths differ, from 0 to twice BodySize. Default
	// all the same.
	VarySize bool
	// LargeEvery makes each file large whose index, counted from 1, is a
	// multiple of it. Default none.
	LargeEvery int64
	// LargeSize is how long a large file is, in bytes. Default
	// DefaultLargeSize.
	LargeSize int64
	// FilesPerDir puts that many files, in the order of their index, into
	// each directory. Default all in the root.
	FilesPerDir int64
	// Shuffle lists the files in a fixed pseudo-random order instead of the
	// order of their names.
	Shuffle bool
	// Compressible makes bodies of text that compresses well instead of
	// random bytes.
	Compressible bool
	// Validators sends an ETag and a Last-Modified with each file, and an ETag
	// with each page. Default none of them.
	Validators bool
	// S3ETags sends validators with each file, and an ETag as long as one of S3: 32
	// hexadecimal digits, and the "-1" of an upload in one part, so that no client
	// takes it for an MD5. Default a short one.
	S3ETags bool
	// Seed changes all bodies and the shuffled order.
	Seed uint64
	// Edition is what the files have become since. Default: nothing has changed.
	Edition SyntheticEdition
}

// Synthetic is a source whose files are pure functions of their index. It
// takes no memory and no disk. It is safe for use by many goroutines.
type Synthetic struct {
	o       SyntheticOptions
	order   permutation
	edition *edition // nil: nothing has changed
}

var (
	_ PageTagger = (*Synthetic)(nil)
	_ KeyLister  = (*Synthetic)(nil)
)

// NewSynthetic returns a source of the files that o describes.
func NewSynthetic(o SyntheticOptions) *Synthetic {
	switch {
	case o.BodySize == 0:
		o.BodySize = DefaultBodySize
	case o.BodySize < 0:
		o.BodySize = 0
	}
	if o.LargeSize <= 0 {
		o.LargeSize = DefaultLargeSize
	}
	o.Files = max(o.Files, 0)
	o.Validators = o.Validators || o.S3ETags
	return &Synthetic{o: o, order: newPermutation(uint64(o.Files), o.Seed), edition: newEdition(o.Edition)}
}

// Len is how many files there are, without regard to the edition.
func (s *Synthetic) Len() int64 { return s.o.Files }

// Listed returns the index of the k-th file of the listing, k from 0.
func (s *Synthetic) Listed(k int64) int64 {
	if !s.o.Shuffle {
		return k
	}
	return int64(s.order.at(uint64(k)))
}

// Name returns the name of file i: "file-000000000123", or with directories
// "d000012/file-000000012345". An added file is called as the one before it, with
// "-new" at its end.
func (s *Synthetic) Name(i int64) string { return string(s.AppendName(nil, i)) }

// AppendName appends the name of file i to dst.
func (s *Synthetic) AppendName(dst []byte, i int64) []byte {
	if s.edition != nil && i >= s.o.Files {
		return append(s.AppendName(dst, i-s.o.Files), addedSuffix...)
	}
	if s.o.FilesPerDir > 0 {
		dst = append(dst, 'd')
		dst = appendPadded(dst, i/s.o.FilesPerDir, dirDigits)
		dst = append(dst, '/')
	}
	dst = append(dst, filePrefix...)
	return appendPadded(dst, i, fileDigits)
}

// Index returns the index of the file of that name, and whether there is one.
func (s *Synthetic) Index(name []byte) (int64, bool) {
	if s.edition == nil {
		return s.index(name)
	}
	if base, ok := bytes.CutSuffix(name, []byte(addedSuffix)); ok {
		i, ok := s.index(base)
		if !ok {
			return 0, false
		}
		return s.Added(i)
	}
	i, ok := s.index(name)
	return i, ok && !s.Removed(i)
}

// index is Index of the files as they were made.
func (s *Synthetic) index(name []byte) (int64, bool) {
	if len(name) < fileDigits {
		return 0, false
	}
	digits := name[len(name)-fileDigits:]
	var i int64
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		i = i*10 + int64(b-'0')
	}
	if i >= s.o.Files {
		return 0, false
	}
	// The rest of the name follows from the index.
	var buf [64]byte
	return i, string(s.AppendName(buf[:0], i)) == string(name)
}

// Page lists from the position that marker says. With an edition a page may be
// shorter than limit, and empty.
func (s *Synthetic) Page(marker string, limit int, add func(name []byte)) (string, error) {
	from, err := parsePosition(marker, s.o.Files)
	if err != nil {
		return "", err
	}
	var buf [64]byte
	to := position{k: s.o.Files}
	if s.edition == nil {
		from = from.unedited()
		to.k = min(from.k+int64(limit), s.o.Files)
		for k := from.k; k < to.k; k++ {
			add(s.AppendName(buf[:0], s.Listed(k)))
		}
	} else {
		to = s.editedPage(from, limit, func(_ position, i int64) { add(s.AppendName(buf[:0], i)) })
	}
	if to.k == s.o.Files {
		return "", nil
	}
	return to.marker(), nil
}

// Get describes the file of that name.
func (s *Synthetic) Get(name []byte, o *Object) error {
	i, ok := s.Index(name)
	if !ok {
		return ErrNotFound
	}
	if size := s.Size(i); size > streamAbove {
		o.At, o.Size = s.Reader(i), size
	} else {
		o.Buf = s.AppendBody(o.Buf[:0], i)
		o.Body = o.Buf
	}
	if s.o.Validators {
		o.ETag = s.appendETag(o.ETag[:0], i)
		o.ModTime = s.ModTime(i)
	}
	return nil
}

// ModTime is the modification time of file i, if validators are sent.
func (s *Synthetic) ModTime(i int64) time.Time {
	const since = 1_500_000_000 // 14 July 2017
	if s.Changed(i) {
		return time.Unix(s.edition.modTime(s.key(i)), 0).UTC()
	}
	return time.Unix(since+int64(s.key(i)%100_000_000), 0).UTC()
}

// appendETag appends the validator of file i.
func (s *Synthetic) appendETag(dst []byte, i int64) []byte {
	dst = append(dst, '"')
	if key := s.key(i); s.o.S3ETags {
		dst = appendHex(appendHex(dst, mix(key+golden)), mix(key-golden))
		dst = append(dst, "-1"...)
	} else {
		dst = strconv.AppendUint(dst, key, 16)
	}
	return append(dst, '"')
}

// appendHex appends v as 16 hexadecimal digits.
func appendHex(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&0xf])
	}
	return dst
}

// appendPadded appends v with leading zeroes to at least width digits.
func appendPadded(dst []byte, v int64, width int) []byte {
	var buf [20]byte
	at := len(buf)
	for v > 0 || len(buf)-at < width {
		at--
		buf[at] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, buf[at:]...)
}

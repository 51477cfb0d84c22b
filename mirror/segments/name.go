package segments

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/motefs/motefs/cache"
)

// MirrorName is the object that says what is mirrored.
const MirrorName = "mirror"

// The beginnings of the other objects' names.
const (
	NamesPrefix     = "names/"
	CommitsPrefix   = "commits/"
	ContentsPrefix  = "contents/"
	BlobsPrefix     = "blobs/"
	ManifestsPrefix = "manifests/"
)

const (
	seqDigits     = 12
	partDigits    = 6
	attemptDigits = 16
	idDigits      = 32
	fullSuffix    = ".full"
)

// MaxSeq is the highest number that a name has room for, of a segment or a manifest.
const MaxSeq = 999_999_999_999

// NamesName is the name segment seq.
func NamesName(seq uint64) string { return numbered(NamesPrefix, seq) }

// CommitName is the commit of segment seq.
func CommitName(seq uint64) string { return numbered(CommitsPrefix, seq) }

// ManifestName is the manifest n of what is new, and FullName that of all up to it.
func ManifestName(n uint64) string { return numbered(ManifestsPrefix, n) }

// FullName is the manifest of all that the manifests up to n say.
func FullName(n uint64) string { return ManifestName(n) + fullSuffix }

// TableName is a table of what an attempt at segment seq fetched.
func TableName(seq uint64, attempt string, part int) string {
	return AttemptPrefix(ContentsPrefix, seq, attempt) + fmt.Sprintf("%0*d", partDigits, part)
}

// BlobName is a content that an attempt at segment seq fetched.
func BlobName(seq uint64, attempt string, inode cache.Inode) string {
	return AttemptPrefix(BlobsPrefix, seq, attempt) + strconv.FormatUint(uint64(inode), 16)
}

// AttemptPrefix is how the names of all objects of an attempt begin that begin with prefix,
// which is ContentsPrefix or BlobsPrefix.
func AttemptPrefix(prefix string, seq uint64, attempt string) string {
	return numbered(prefix, seq) + "-" + attempt + "/"
}

func numbered(prefix string, n uint64) string { return fmt.Sprintf("%s%0*d", prefix, seqDigits, n) }

// ParseSeq returns the number in a name that begins with prefix: a name segment's, a
// commit's, or that of a manifest, which may be a full one.
func ParseSeq(prefix, name string) (seq uint64, full, ok bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false, false
	}
	if prefix == ManifestsPrefix {
		digits, full = strings.CutSuffix(digits, fullSuffix)
	}
	seq, ok = parseNumber(digits, seqDigits)
	return seq, full, ok
}

// ParseAttempt returns the segment and the attempt in the name of a table or a blob.
func ParseAttempt(prefix, name string) (seq uint64, attempt string, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, "", false
	}
	dir, _, ok := strings.Cut(rest, "/")
	digits, attempt, dash := strings.Cut(dir, "-")
	if !ok || !dash || !isHex(attempt, attemptDigits) {
		return 0, "", false
	}
	seq, ok = parseNumber(digits, seqDigits)
	return seq, attempt, ok
}

func parseNumber(digits string, n int) (uint64, bool) {
	if len(digits) != n || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, 10, 64)
	return v, err == nil
}

// NewAttempt returns a name for an attempt that nobody else has.
func NewAttempt() string { return random(attemptDigits) }

func random(digits int) string {
	b := make([]byte, digits/2)
	_, _ = rand.Read(b) // which never fails
	return hex.EncodeToString(b)
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

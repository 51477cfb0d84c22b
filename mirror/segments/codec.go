package segments

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/motefs/motefs/cache"
)

var (
	// ErrBad says that an object is not what its name says: it was damaged, or written by
	// something else.
	ErrBad = errors.New("not an object of this mirror")
	// ErrFormat says that an object is of another format than this program's.
	ErrFormat = errors.New("written by another version of motefs")
	// ErrOtherOrigin says that a mirror of another origin stands there.
	ErrOtherOrigin = errors.New("a mirror of another origin")
	// ErrNone says that no mirror stands there.
	ErrNone = errors.New("no mirror")
	// ErrLost says that another has written what was to be written.
	ErrLost = errors.New("another has written it")
)

const (
	// maxHead bounds the head of a name segment, in bytes; most are below a thousand. A
	// directory's path is in its State, so a name of cache.MaxName bytes is several times in it.
	maxHead = 1 << 20
	// maxSmall bounds a mirror object and a commit, in bytes: a commit has a line for each of
	// its tables.
	maxSmall = 8 << 20
	// maxManifest bounds a manifest, in bytes, at about 1,300 a segment of some tables.
	maxManifest = 1 << 30
	// MaxTable bounds a table, in bytes.
	MaxTable = 1 << 30
	// maxTables bounds the tables of a segment's contents.
	maxTables = 1 << 16
	// maxLast bounds the key of a table's last entry, in bytes.
	maxLast = 1 << 10
	// maxMarker bounds a marker, in bytes.
	maxMarker = 256 << 10
)

// decode reads one JSON object, and nothing behind it.
func decode(what string, b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w: %w", what, ErrBad, err)
	}
	if d.More() {
		return fmt.Errorf("%s: %w: more than one value", what, ErrBad)
	}
	return nil
}

// checkFormat says what is wrong with what every object has. It comes first, as all else may mean
// something else in a later format.
func checkFormat(what string, format int) error {
	switch {
	case format < 1:
		return bad(what, "format %d", format)
	case format > Format:
		return fmt.Errorf("%s: %w: it is of format %d, and this one reads %d; use the later version", what, ErrFormat, format, Format)
	case format < Format:
		return fmt.Errorf("%s: %w: it is of format %d, and this one reads %d; use the earlier version, or make the mirror anew at another URL", what, ErrFormat, format, Format)
	}
	return nil
}

func bad(what, why string, args ...any) error {
	return fmt.Errorf("%s: %w: "+why, append([]any{what, ErrBad}, args...)...)
}

// format is of an object that may be of a later format, of which nothing else can be read.
type format struct {
	Format int `json:"format"`
}

// read decodes an object of which what is the name, after its format.
func read(what string, b []byte, v any) error {
	var f format
	if err := decode(what, b, &f); err != nil {
		return err
	}
	if err := checkFormat(what, f.Format); err != nil {
		return err
	}
	return decode(what, b, v)
}

// encode returns an object's JSON, with a line's end.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // there is nothing in it that cannot be marshalled
	}
	return append(b, '\n')
}

// DecodeMirror reads a mirror object.
func DecodeMirror(b []byte) (Mirror, error) {
	var m Mirror
	if err := read(MirrorName, b, &m); err != nil {
		return Mirror{}, err
	}
	if !isHex(m.ID, idDigits) {
		return Mirror{}, bad(MirrorName, "id %q", m.ID)
	}
	return m, nil
}

// DecodeNames reads the head of the name segment seq of a mirror, a line of JSON without its
// end.
func DecodeNames(b []byte, mirror string, seq uint64) (Names, error) {
	what := NamesName(seq)
	var n Names
	if err := read(what, b, &n); err != nil {
		return Names{}, err
	}
	if err := checkOwner(what, mirror, n.Mirror, seq, n.Seq); err != nil {
		return Names{}, err
	}
	switch {
	case !isHex(n.Attempt, attemptDigits):
		return Names{}, bad(what, "attempt %q", n.Attempt)
	case seq == 0 && n.Prev != "" || seq > 0 && !isHex(n.Prev, attemptDigits):
		return Names{}, bad(what, "the attempt before it is %q", n.Prev)
	case n.Complete != (n.Marker == "" && n.Passed == 0):
		return Names{}, bad(what, "complete %v with the marker %.80q, %d names passed", n.Complete, n.Marker, n.Passed)
	case len(n.Marker) > maxMarker:
		return Names{}, bad(what, "a marker of %d bytes", len(n.Marker))
	}
	if err := n.NameSizes.check(what); err != nil {
		return Names{}, err
	}
	return n, checkPart(what, &n.Part)
}

func checkOwner(what, mirror, itsMirror string, seq, itsSeq uint64) error {
	switch {
	case mirror != itsMirror:
		return bad(what, "it is of mirror %.40q, and this is %q", itsMirror, mirror)
	case seq != itsSeq:
		return bad(what, "it says that it is %d", itsSeq)
	}
	return nil
}

func checkPart(what string, p *Part) error {
	if p.First < cache.FirstInode || p.End < p.First || uint64(p.End-p.First) < p.Files+p.Dirs || p.Files+p.Dirs < p.Files {
		return bad(what, "%d files and %d directories with the numbers from %d to %d", p.Files, p.Dirs, p.First, p.End)
	}
	return nil
}

// DecodeCommit reads the commit of segment seq of a mirror.
func DecodeCommit(b []byte, mirror string, seq uint64) (Commit, error) {
	what := CommitName(seq)
	var c Commit
	if err := read(what, b, &c); err != nil {
		return Commit{}, err
	}
	if err := checkOwner(what, mirror, c.Mirror, seq, c.Seq); err != nil {
		return Commit{}, err
	}
	if !isHex(c.Attempt, attemptDigits) || !isHex(c.Names, attemptDigits) {
		return Commit{}, bad(what, "attempts %.40q and %.40q", c.Attempt, c.Names)
	}
	return c, checkTables(what, c.Tables)
}

func checkTables(what string, tables []Table) error {
	if len(tables) > maxTables {
		return bad(what, "%d tables", len(tables))
	}
	for _, t := range tables {
		if t.Size < 0 || t.Size > MaxTable || len(t.Last) > maxLast {
			return bad(what, "a table of %d bytes, whose last key has %d", t.Size, len(t.Last))
		}
	}
	return nil
}

// DecodeManifest reads manifest n of a mirror.
func DecodeManifest(b []byte, mirror string, n uint64, full bool) (Manifest, error) {
	what := ManifestName(n)
	if full {
		what = FullName(n)
	}
	var m Manifest
	if err := read(what, b, &m); err != nil {
		return Manifest{}, err
	}
	if err := checkOwner(what, mirror, m.Mirror, n, m.Number); err != nil {
		return Manifest{}, err
	}
	if m.Full != full || !isHex(m.Attempt, attemptDigits) {
		return Manifest{}, bad(what, "full %v, attempt %.40q", m.Full, m.Attempt)
	}
	for i := range m.Segments {
		s := &m.Segments[i]
		if i > 0 && s.Seq <= m.Segments[i-1].Seq || s.Seq > MaxSeq {
			return Manifest{}, bad(what, "segment %d out of order", s.Seq)
		}
		if err := checkSealed(what, s); err != nil {
			return Manifest{}, err
		}
	}
	return m, nil
}

func checkSealed(what string, s *Sealed) error {
	switch {
	case !isHex(s.Names, attemptDigits) || !isHex(s.Attempt, attemptDigits):
		return bad(what, "segment %d: attempts %.40q and %.40q", s.Seq, s.Names, s.Attempt)
	case s.HeadSize < 1 || s.HeadSize > maxHead:
		return bad(what, "segment %d: a head of %d bytes", s.Seq, s.HeadSize)
	}
	if err := s.NameSizes.check(fmt.Sprintf("%s: segment %d", what, s.Seq)); err != nil {
		return err
	}
	if err := checkTables(what, s.Tables); err != nil {
		return err
	}
	return checkPart(what, &s.Part)
}

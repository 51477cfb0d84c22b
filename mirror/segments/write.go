package segments

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/motefs/motefs/mirror/objects"
)

// body is what small objects are written from.
func body(b []byte) objects.Body {
	return objects.Body{ReaderAt: bytes.NewReader(b), Size: int64(len(b))}
}

// Open returns the mirror that stands in a store. Where there is none, and origin is not
// empty, it makes one of that origin; of several who do so at once all get the same. The error
// is ErrNone where there is none and origin is empty, and ErrOtherOrigin where it is of another.
func Open(ctx context.Context, store objects.Store, origin string, now time.Time) (Mirror, error) {
	b, err := small(ctx, store, MirrorName, maxSmall)
	if errors.Is(err, objects.ErrNotFound) {
		if origin == "" {
			return Mirror{}, fmt.Errorf("%w: there is no object %q", ErrNone, MirrorName)
		}
		m := Mirror{Format: Format, ID: random(idDigits), Origin: origin, Made: now.Unix()}
		if err := store.Create(ctx, MirrorName, body(encode(m))); err != nil && !errors.Is(err, objects.ErrExists) {
			return Mirror{}, fmt.Errorf("create %s: %w", MirrorName, err)
		}
		b, err = small(ctx, store, MirrorName, maxSmall)
	}
	if err != nil {
		return Mirror{}, err
	}
	m, err := DecodeMirror(b)
	if err == nil && origin != "" && m.Origin != origin {
		err = fmt.Errorf("%w: here stands the mirror of %s, and not of %s; give another place, or empty this one", ErrOtherOrigin, m.Origin, origin)
	}
	return m, err
}

// WriteNames writes a name segment, whose head says all but its format and how long its tables are. Where
// another has written that number, the error is ErrLost, and winner is its head; otherwise winner is
// what was written. Its error may be one after which it is written all the same.
func (r Reader) WriteNames(ctx context.Context, n Names, dirs, files, above objects.Body) (winner Names, err error) {
	n.Format, n.Mirror = Format, r.Mirror
	n.DirsSize, n.FilesSize, n.ContextSize = dirs.Size, files.Size, above.Size
	line := encode(n)
	if _, err := DecodeNames(line, r.Mirror, n.Seq); err != nil {
		return Names{}, err // a bug, if ever
	}
	if len(line) > maxHead {
		return Names{}, bad(NamesName(n.Seq), "a head of %d bytes", len(line))
	}
	err = r.Store.Create(ctx, NamesName(n.Seq), joined(body(line), dirs, files, above))
	if !errors.Is(err, objects.ErrExists) {
		return n, wrapCreate(NamesName(n.Seq), err)
	}
	if winner, _, err = r.Names(ctx, n.Seq); err != nil {
		return Names{}, err
	}
	if winner.Attempt != n.Attempt {
		return winner, fmt.Errorf("write %s: %w", NamesName(n.Seq), ErrLost)
	}
	return winner, nil
}

func wrapCreate(name string, err error) error {
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// WriteCommit writes the commit of a segment, and returns the one that counts. Where it is
// another's the error is ErrLost. After any other error it may stand or not.
func (r Reader) WriteCommit(ctx context.Context, c Commit) (winner Commit, err error) {
	c.Format, c.Mirror = Format, r.Mirror
	name := CommitName(c.Seq)
	err = r.Store.Create(ctx, name, body(encode(c)))
	if !errors.Is(err, objects.ErrExists) {
		return c, wrapCreate(name, err)
	}
	if winner, err = r.Commit(ctx, c.Seq); err != nil {
		return Commit{}, err
	}
	if winner.Attempt != c.Attempt {
		return winner, fmt.Errorf("write %s: %w", name, ErrLost)
	}
	return winner, nil
}

// WriteManifest writes manifest m.Number, and returns the one that stands there. Where it is
// another's the error is ErrLost. After any other error it may stand or not. Full ones of a number
// say the same, whoever wrote them.
func (r Reader) WriteManifest(ctx context.Context, m Manifest) (winner Manifest, err error) {
	m.Format, m.Mirror = Format, r.Mirror
	name := ManifestName(m.Number)
	if m.Full {
		name = FullName(m.Number)
	}
	err = r.Store.Create(ctx, name, body(encode(m)))
	if !errors.Is(err, objects.ErrExists) {
		return m, wrapCreate(name, err)
	}
	if winner, err = r.Manifest(ctx, m.Number, m.Full); err != nil {
		return Manifest{}, err
	}
	if winner.Attempt != m.Attempt {
		return winner, fmt.Errorf("write %s: %w", name, ErrLost)
	}
	return winner, nil
}

// joined is several bodies, one after the other.
func joined(bodies ...objects.Body) objects.Body {
	j := joinedReader{}
	for _, b := range bodies {
		if b.Size == 0 {
			continue
		}
		j.parts = append(j.parts, b)
		j.size += b.Size
		j.ends = append(j.ends, j.size)
	}
	return objects.Body{ReaderAt: &j, Size: j.size}
}

type joinedReader struct {
	parts []objects.Body
	ends  []int64 // where each part ends
	size  int64
}

func (j *joinedReader) ReadAt(b []byte, off int64) (n int, err error) {
	i := sort.Search(len(j.ends), func(i int) bool { return j.ends[i] > off })
	for ; n < len(b) && i < len(j.parts); i++ {
		at := off + int64(n) - (j.ends[i] - j.parts[i].Size)
		want := min(int64(len(b)-n), j.parts[i].Size-at)
		m, err := j.parts[i].ReadAt(b[n:n+int(want)], at)
		n += m
		if int64(m) < want {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

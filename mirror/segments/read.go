package segments

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/motefs/motefs/mirror/objects"
)

// Reader reads the objects of one mirror. It makes one attempt at each; who wants more gives
// it a Store that tries again.
type Reader struct {
	Store  objects.Store
	Mirror string // Mirror.ID
}

// small reads a whole object of at most most bytes.
func small(ctx context.Context, store objects.Store, name string, most int64) ([]byte, error) {
	b, size, err := part(ctx, store, name, -1, most)
	if err == nil && size > most {
		err = bad(name, "%d bytes long, over %d", size, most)
	}
	return b, err
}

// part reads the first n bytes of an object, or all where n is negative, but no more than
// most, and returns the object's length too. It takes memory for what comes, not for what the
// store says that will come.
func part(ctx context.Context, store objects.Store, name string, n, most int64) ([]byte, int64, error) {
	r, size, err := store.Get(ctx, name, 0, n)
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", name, err)
	}
	defer r.Close()
	if n < 0 {
		n = size
	}
	n = min(n, most)
	b, err := io.ReadAll(io.LimitReader(r, n))
	if err == nil && int64(len(b)) < n {
		err = fmt.Errorf("%d bytes of %d came: %w", len(b), n, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", name, err)
	}
	return b, size, nil
}

// headGuess is how much of a name segment is asked for to have its head, in bytes.
const headGuess = 4 << 10

// Names reads the head of a name segment, and returns its length in bytes, with its line's
// end. The length of the object is that of its head and tables, or the error is ErrBad.
func (r Reader) Names(ctx context.Context, seq uint64) (n Names, headSize int64, err error) {
	name := NamesName(seq)
	b, size, err := part(ctx, r.Store, name, headGuess, headGuess)
	if errors.Is(err, objects.ErrRange) { // it is shorter
		b, size, err = part(ctx, r.Store, name, -1, headGuess)
	}
	line, _, found := bytes.Cut(b, []byte{'\n'})
	if err == nil && !found && size > int64(len(b)) {
		b, _, err = part(ctx, r.Store, name, min(size, maxHead), maxHead)
		line, _, found = bytes.Cut(b, []byte{'\n'})
	}
	switch {
	case err != nil:
		return Names{}, 0, err
	case !found:
		return Names{}, 0, bad(name, "it has no head")
	}
	headSize = int64(len(line)) + 1
	if n, err = DecodeNames(line, r.Mirror, seq); err != nil {
		return Names{}, 0, err
	}
	if want := headSize + n.All(); size != want {
		return Names{}, 0, bad(name, "%d bytes long, and not %d", size, want)
	}
	return n, headSize, nil
}

// Commit reads the commit of a segment.
func (r Reader) Commit(ctx context.Context, seq uint64) (Commit, error) {
	b, err := small(ctx, r.Store, CommitName(seq), maxSmall)
	if err != nil {
		return Commit{}, err
	}
	return DecodeCommit(b, r.Mirror, seq)
}

// Manifest reads a manifest.
func (r Reader) Manifest(ctx context.Context, n uint64, full bool) (Manifest, error) {
	name := ManifestName(n)
	if full {
		name = FullName(n)
	}
	b, err := small(ctx, r.Store, name, maxManifest)
	if err != nil {
		return Manifest{}, err
	}
	return DecodeManifest(b, r.Mirror, n, full)
}

// Seqs calls fn for the numbers of the name segments or commits, as prefix says, that come
// after the first n, in their order, until it returns false.
func (r Reader) Seqs(ctx context.Context, prefix string, n uint64, fn func(seq uint64) bool) error {
	after := ""
	if n > 0 {
		after = numbered(prefix, n-1)
	}
	err := r.Store.List(ctx, prefix, after, func(i objects.Info) bool {
		seq, full, ok := ParseSeq(prefix, i.Name)
		return !ok || full || fn(seq)
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", prefix, err)
	}
	return nil
}

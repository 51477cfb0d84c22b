package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	// WinnerBytes bounds what Claim returns of the winner.
	WinnerBytes = 1 << 20
	// claimTries is how often a claim is made whose winner has vanished each time.
	claimTries = 3
)

// BytesBody is the body that text is.
func BytesBody(text []byte) Body {
	return Body{ReaderAt: bytes.NewReader(text), Size: int64(len(text))}
}

// Claim creates an object that others may want to create under the same name. won says that the
// object is this one; else winner is the beginning of the one that is there, at most
// WinnerBytes. Whose Create's answer was lost finds its own body there, and has won: so a body
// has something in it, an attempt, that nobody else's has.
func Claim(ctx context.Context, s Store, name string, body Body) (won bool, winner []byte, err error) {
	for range claimTries {
		err = s.Create(ctx, name, body)
		if !errors.Is(err, ErrExists) {
			return err == nil, nil, err
		}
		var same bool
		same, winner, err = compare(ctx, s, name, body)
		if errors.Is(err, ErrNotFound) {
			continue // deleted in between
		}
		if err != nil {
			return false, nil, fmt.Errorf("read who has %q: %w", name, err)
		}
		if same {
			return true, nil, nil
		}
		return false, winner, nil
	}
	return false, nil, fmt.Errorf("claim %q: it exists when created and not when read, %d times: %w", name, claimTries, ErrUnfit)
}

// compare reports whether an object is body, and returns its beginning where it is not.
func compare(ctx context.Context, s Store, name string, body Body) (same bool, beginning []byte, err error) {
	r, size, err := s.Get(ctx, name, 0, -1)
	if err != nil {
		return false, nil, err
	}
	defer r.Close()
	beginning, err = io.ReadAll(io.LimitReader(r, WinnerBytes))
	if err != nil {
		return false, nil, err
	}
	if size != body.Size {
		return false, beginning, nil
	}
	same, err = equal(io.MultiReader(bytes.NewReader(beginning), r), io.NewSectionReader(body, 0, size), size)
	return same, beginning, err
}

// equal reports whether two readers give the same n bytes.
func equal(a, b io.Reader, n int64) (bool, error) {
	const piece = 64 << 10
	x, y := make([]byte, min(n, piece)), make([]byte, min(n, piece))
	for ; n > 0; n -= int64(len(x)) {
		x, y = x[:min(n, piece)], y[:min(n, piece)]
		if _, err := io.ReadFull(a, x); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(b, y); err != nil {
			return false, err
		}
		if !bytes.Equal(x, y) {
			return false, nil
		}
	}
	return true, nil
}

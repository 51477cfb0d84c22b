package origin

import (
	"errors"
	"fmt"

	"github.com/motefs/motefs/mirror"
)

// ErrEncoding is a file or page in a Content-Encoding, although identity alone
// was asked for. Its bytes are not the file's, so they are not taken for them.
var ErrEncoding = errors.New("encoded content")

// errEnd ends a connection after an answer that counts: one that closes it, or
// one of which the rest is not worth reading.
var errEnd = errors.New("connection ends")

// errLengthless is an answer, in the middle of a pipeline, that says nothing of
// its length: it takes all that follows. It is believed only of an origin that
// was asked for nothing else, so its name is to be asked for alone.
var errLengthless = errors.New("answer without a length in a pipeline")

func framingError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{mirror.ErrFraming}, args...)...)
}

func cutError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{mirror.ErrCut}, args...)...)
}

func listingError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{mirror.ErrListing}, args...)...)
}

// outOfReach is the error after maxStrikes connections, the last of which ended
// with err.
func outOfReach(err error) error {
	//nolint:errorlint // what became of one connection must not make this match ErrCut
	return fmt.Errorf("%w: %d connections in a row gave no answer, the last: %v", mirror.ErrUnreachable, maxStrikes, err)
}

// clip keeps what an origin sent from filling an error's text.
func clip(s string) string {
	const longest = 200
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}

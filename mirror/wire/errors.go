package wire

import (
	"errors"
	"fmt"

	"github.com/motefs/motefs/mirror"
)

// ErrEncoding is a body in a Content-Encoding, although identity alone was asked
// for. Its bytes are not the file's, so they are not taken for them.
var ErrEncoding = errors.New("encoded content")

var (
	// errEnd ends a connection after a response that counts: one that closes it,
	// or one of which the rest is not worth reading.
	errEnd = errors.New("connection ends")

	// errAlone is a response that only the first request of a connection can
	// have: one without a length, or one that is too long to be read before it is
	// proven.
	errAlone = errors.New("response that has to be asked for alone")

	// errFull says that the responses that wait for their proof are maxHeld bytes,
	// or have waited too long.
	errFull = errors.New("round too long")

	// errDesync says that a guard was not answered with what it is.
	errDesync = errors.New("responses out of step with their requests")

	// errBusy says that the server would not answer the guards now.
	errBusy = errors.New("guards not answered")
)

func framingError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{mirror.ErrFraming}, args...)...)
}

func cutError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{mirror.ErrCut}, args...)...)
}

// Clip keeps what a server sent from filling an error's text.
func Clip(s string) string {
	const longest = 200
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}

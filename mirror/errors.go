package mirror

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

var (
	// ErrGone is a listed file that the origin no longer has (404 or 410).
	ErrGone = errors.New("gone at the origin")

	// ErrUnreachable says that the origin gave no answer at all: no address,
	// no connection, or connections cut before any answer. It says nothing
	// about the file that was asked for.
	ErrUnreachable = errors.New("origin unreachable")

	// ErrCut is an answer that never came or broke off: a connection closed or
	// timed out before the whole of it was read, or a body shorter than its
	// declared length.
	ErrCut = errors.New("answer cut short")

	// ErrFraming is an answer that is not well-formed HTTP/1.x.
	ErrFraming = errors.New("malformed answer")

	// ErrChecksum is a content that does not come to the sum that the answer itself
	// says of it: some of its bytes are wrong, or the sum is.
	ErrChecksum = errors.New("content does not match its checksum")

	// ErrTooLarge is a file or a page over the limit that its Options name.
	ErrTooLarge = errors.New("too large")

	// ErrRedirect is a redirect that is not followed: to another host, without
	// a Location, or one too many.
	ErrRedirect = errors.New("redirect not followed")

	// ErrListing is an answer to a list request that is no page of a listing,
	// or a listing that cannot come to an end.
	ErrListing = errors.New("not a listing")

	// ErrRange says that an origin does not serve a part of a file: it answers
	// with the whole, with another part, or has another version by now.
	ErrRange = errors.New("no such part of the file at the origin")

	// ErrNotModified says that the origin still has the version, of a file or of a
	// page, that the caller said it has.
	ErrNotModified = errors.New("not modified at the origin")

	// ErrChanged is a file of which the origin has another version than the one
	// that readers were shown the beginning of.
	ErrChanged = errors.New("changed at the origin while it was read")

	// ErrOutage says that an origin gave nothing good for as long as Options.Outage
	// allows.
	ErrOutage = errors.New("origin out of service")

	// ErrManyGone says that more files than Options.MaxGone are not at the origin
	// any more. None of it is believed.
	ErrManyGone = errors.New("too many files are gone at the origin")

	// ErrClosed is returned by an engine that is closing or closed.
	ErrClosed = errors.New("engine closed")
)

// StatusError is an answer with a status other than 200.
type StatusError struct {
	Code int
	// RetryAfter is the header of that name, 0 where there is none.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	if text := http.StatusText(e.Code); text != "" {
		return fmt.Sprintf("the origin answered %d (%s)", e.Code, text)
	}
	return fmt.Sprintf("the origin answered %d", e.Code)
}

// Temporary reports whether the status is one of those that may pass: 408,
// 425, 429 and 5xx.
func (e *StatusError) Temporary() bool {
	return e.Code == 408 || e.Code == 425 || e.Code == 429 || e.Code >= 500
}

// Is makes a 404 or 410 match ErrGone.
func (e *StatusError) Is(target error) bool {
	return target == ErrGone && (e.Code == 404 || e.Code == 410)
}

// Temporary reports whether err may pass by itself, so that the same request
// is worth another try.
func Temporary(err error) bool {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.Temporary()
	}
	return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrCut) || errors.Is(err, ErrFraming) || errors.Is(err, ErrChecksum)
}

package wire

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxDrain is the longest body of an error that is read to keep its
	// connection.
	maxDrain = 256 << 10
	// maxRetryAfter bounds what a server may ask for.
	maxRetryAfter = time.Hour
)

// retryAfter is what the Retry-After of the response at hand says.
func (cn *conn) retryAfter() time.Duration {
	value := cn.buf.fields.Get("retry-after")
	if len(value) == 0 {
		return 0
	}
	return parseRetryAfter(string(value), time.Now())
}

// parseRetryAfter reads both forms of RFC 9110 section 10.2.3.
func parseRetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// drain reads the body of a response that nobody wants, up to maxDrain, and ends
// the response.
func (cn *conn) drain() error {
	if cn.head.length == 0 { // without the allocation of a reader
		return cn.endResponse(cn.overrun() == nil)
	}
	b := cn.body(maxDrain)
	if b.mode == untilEOF || b.left > maxDrain {
		return cn.endResponse(false)
	}
	_, err := io.Copy(io.Discard, &b)
	return cn.endResponse(err == nil)
}

// endResponse counts a response, and returns errEnd where nothing can follow it.
func (cn *conn) endResponse(whole bool) error {
	cn.answered()
	cn.left = cn.left || !whole
	if !whole || cn.head.closing {
		return errEnd
	}
	return nil
}

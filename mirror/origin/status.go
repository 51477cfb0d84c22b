package origin

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/valyala/fasthttp"
)

const (
	// maxDrain is the longest body of an error that is read to keep its
	// connection.
	maxDrain = 256 << 10
	// maxRetryAfter bounds what an origin may ask for.
	maxRetryAfter = time.Hour
)

// statusError is the error for the answer at hand, which is no 200.
func (cn *conn) statusError() *mirror.StatusError {
	return &mirror.StatusError{
		Code:       cn.head.status,
		RetryAfter: retryAfter(string(cn.buf.parsed.Peek(fasthttp.HeaderRetryAfter)), time.Now()),
	}
}

// retryAfter reads both forms of RFC 9110 section 10.2.3.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

// drain reads the body of an answer that nobody wants, up to maxDrain, and ends
// the answer.
func (cn *conn) drain() error {
	b := cn.body(maxDrain)
	if b.mode == untilEOF || b.left > maxDrain {
		return cn.endAnswer(false)
	}
	_, err := io.Copy(io.Discard, &b)
	return cn.endAnswer(err == nil)
}

// endAnswer counts an answer, and returns errEnd where nothing can follow it.
func (cn *conn) endAnswer(whole bool) error {
	cn.answered()
	if !whole || cn.head.closing {
		return errEnd
	}
	return nil
}

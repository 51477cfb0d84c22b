package origintest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// Mode is the way in which a faulted answer is wrong.
type Mode uint8

// The modes. A connection stays open after the answer unless it says that it
// is closed, or Fault.Close is set.
const (
	// Serve answers as usual but for the other fields of Fault.
	Serve Mode = iota
	// Cut closes the connection before the answer.
	Cut
	// CutBody closes the connection after N bytes of the body.
	CutBody
	// Length declares a Content-Length that is N off. If it is too long the
	// connection is closed after the body; if it is too short the rest of
	// the body follows on the connection.
	Length
	// Raw writes Body as it is instead of an answer.
	Raw
	// Drip sends N bytes at once, then one byte every Every.
	Drip
	// Hang never answers. It ends when the client or the server closes.
	Hang
	// Chunked sends the body in chunks of N bytes, default 1000.
	Chunked
	// UntilClose sends the body without a length and closes the connection.
	UntilClose
	// Interim sends an interim answer with the status N, default 100, before
	// the answer.
	Interim
)

// Fault says how a request is answered instead of as usual. The zero value is
// no fault. The fields may be combined.
type Fault struct {
	Mode Mode
	// N is a number that Mode uses.
	N int
	// Every is an interval that Mode uses.
	Every time.Duration
	// Delay passes before the answer begins. It also holds up the requests
	// behind it on the same connection.
	Delay time.Duration
	// Status replaces the status; the body is then Body.
	Status int
	// RetryAfter is sent in a header of that name, in whole seconds.
	RetryAfter time.Duration
	// Location is sent in a header of that name, with status 302 unless
	// Status says another.
	Location string
	// Header is sent besides the usual header fields.
	Header map[string]string
	// Body, where it is not nil, replaces the body.
	Body []byte
	// Corrupt has one bit be wrong in the middle of the body. The header fields are those
	// of the body as it was.
	Corrupt bool
	// NoRange has a Range header ignored: the answer is a 200 with the whole.
	NoRange bool
	// ContentRange, where it is set, replaces what a 206 or a 416 says.
	ContentRange string
	// Close closes the connection after the answer, which says so.
	Close bool
	// Reset closes the connection, where it is closed, with a reset (RST)
	// instead of an orderly end. What was sent shortly before may be lost.
	Reset bool
}

// isZero reports whether the answer is written as usual.
func (f *Fault) isZero() bool {
	return f.Mode == Serve && f.Delay <= 0 && f.Status == 0 && f.RetryAfter <= 0 && f.Location == "" &&
		f.Header == nil && f.Body == nil && f.ContentRange == "" && !f.Close && !f.Corrupt
}

// Faults are hooks that see every request before it is answered. They are
// called from many goroutines at once, and Close waits for them. A nil hook
// does nothing.
type Faults struct {
	// OnGet is called for each get with the name, which it must not keep, and
	// the number of the get since the hooks were set, from 0.
	OnGet func(name []byte, n int) Fault
	// OnRange, where it is set, is called instead of OnGet for a get with a
	// Range header, of which it gets the value.
	OnRange func(name []byte, want string) Fault
	// OnList is OnGet for a list request. The marker of one for S3 is the key, or
	// the common prefix, after which the listing goes on.
	OnList func(marker string, n int) Fault
	// PageSize says how long the page at marker is at most, instead of the
	// server's PageSize. 0 makes an empty page, whose next marker is the same
	// with a "~" before it, and leads to the names left out; of S3 one that is not
	// the last, and leads there too.
	PageSize func(marker string) int
}

// faultState is a Faults in use.
type faultState struct {
	Faults
	gets, lists atomic.Int64
}

// pick asks the hook of the request.
func (f *faultState) pick(r *serve.Request) Fault {
	switch {
	case r.List && f.OnList != nil:
		return f.OnList(string(r.Name), int(f.lists.Add(1)-1))
	case r.List:
	case f.OnRange != nil && len(r.Range) > 0:
		return f.OnRange(r.Name, string(r.Range))
	case f.OnGet != nil:
		return f.OnGet(r.Name, int(f.gets.Add(1)-1))
	}
	return Fault{}
}

// FirstTries returns a hook for OnGet that faults the first k gets of each
// name. It keeps every name in memory.
func FirstTries(k int, fault Fault) func(name []byte, n int) Fault {
	var mu sync.Mutex
	tries := make(map[string]int)
	return func(name []byte, _ int) Fault {
		mu.Lock()
		defer mu.Unlock()
		if tries[string(name)] >= k {
			return Fault{}
		}
		tries[string(name)]++
		return fault
	}
}

// EveryNth returns a hook for OnGet that faults each k-th get.
func EveryNth(k int, fault Fault) func(name []byte, n int) Fault {
	return func(_ []byte, n int) Fault {
		if (n+1)%k != 0 {
			return Fault{}
		}
		return fault
	}
}

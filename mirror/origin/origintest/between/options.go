package between

import "time"

const (
	// DefaultMaxStall is the default of Options.MaxStall.
	DefaultMaxStall = 50 * time.Millisecond
	// DefaultMaxLate is the default of Options.MaxLate.
	DefaultMaxLate = 50 * time.Millisecond
)

// Options says what the network does. The zero value does nothing. Each
// "mean number" n is that of things between two, at least 1 and at most 2n-1:
// in twice as many there is one for certain.
type Options struct {
	// Seed decides everything. Default: one is drawn. New logs it.
	Seed uint64
	// MaxFragment is the length of the longest fragment in bytes; they are of
	// any length up to it, and every other one ends where a response ends if it
	// comes that far. Default: nothing is taken apart.
	MaxFragment int
	// MaxDelay is the longest delay before a fragment. One in eight has a
	// delay, most are much shorter. Default: none.
	MaxDelay time.Duration
	// StallEvery is the mean number of fragments between two stalls, of at
	// least half of MaxStall. Default: none.
	StallEvery int
	// MaxStall is the longest stall. Default: DefaultMaxStall.
	MaxStall time.Duration
	// TruncateBytes is the mean number of bytes that a connection carries in
	// one direction before it is cut, at any byte, by an end of file or by a
	// reset. Default: none is.
	TruncateBytes int
	// DuplicateEvery is the mean number of a connection's responses between
	// two that are duplicated. Default: none is.
	DuplicateEvery int
	// DropEvery is the mean number of a connection's responses between two
	// that are dropped. Default: none is.
	DropEvery int
	// LateEvery is the mean number of a connection's responses between two
	// that are held back, and all behind them. Default: none is.
	LateEvery int
	// MaxLate is how long a response is held back at most, and half of it at
	// least. Default: DefaultMaxLate.
	MaxLate time.Duration
}

// EnsureDefaults returns o with the defaults filled in, but for the seed.
func (o Options) EnsureDefaults() Options {
	if o.MaxStall == 0 {
		o.MaxStall = DefaultMaxStall
	}
	if o.MaxLate == 0 {
		o.MaxLate = DefaultMaxLate
	}
	return o
}

// fault is what may happen to the bytes of a connection, one kind for each.
type fault uint8

const (
	noFault fault = iota
	duplicate
	drop
	truncate
)

// faults are the kinds that are asked for.
func (o *Options) faults() (kinds []fault) {
	for i, every := range []int{o.DuplicateEvery, o.DropEvery, o.TruncateBytes} {
		if every > 0 {
			kinds = append(kinds, []fault{duplicate, drop, truncate}[i])
		}
	}
	return kinds
}

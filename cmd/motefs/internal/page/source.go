package page

import (
	"time"

	"github.com/motefs/motefs/histogram"
)

// Source is what a page samples. Its methods are called once a second at most, by one
// goroutine; they never wait for the network.
type Source interface {
	// Status is what the process says of itself, as `motefs status --json` has it, and that
	// without what only those may see who may see names. Both become JSON.
	Status() (whole, public any)
	// Meters is what is drawn over time, and the state of the store.
	Meters() Meters
}

// Meters are counts from which rates are made, and what else changes from second to
// second.
type Meters struct {
	// Names and Files count what was listed and fetched, Bytes is the length of the
	// contents, since the process began.
	Names, Files, Bytes uint64
	// Requests counts the origin's answers, Bad those of them that were none or asked for
	// patience: 429, 5xx, a connection that broke.
	Requests, Bad uint64
	// Operations and ReadBytes count what the mount's kernel asked for.
	Operations, ReadBytes uint64
	// Get and List are how long the origin takes, Mount how long an operation of the mount.
	Get, List, Mount histogram.Snapshot
	// Store is nil where nothing is known of it.
	Store *Store
}

// Store is the state of the store's database.
type Store struct {
	Levels []Level `json:"levels"`
	// Debt is how much is still to be compacted, in bytes; Stalls is how often writes had to
	// wait for that, and StallSeconds how long.
	Debt         uint64  `json:"debt_bytes"`
	Stalls       uint64  `json:"stalls"`
	StallSeconds float64 `json:"stall_seconds"`
}

// Level is one level of the store's tables.
type Level struct {
	Tables int64 `json:"tables"`
	Bytes  int64 `json:"bytes"`
}

// The fields of a sample. The page knows them by fieldNames.
const (
	fieldAt = iota // seconds since 1970
	fieldNames
	fieldFiles
	fieldBytes
	fieldRequests
	fieldBad
	fieldOperations
	fieldReadBytes
	// In seconds, of what ended since the sample before; NaN: nothing did.
	fieldGetMedian
	fieldGetMost // 99 of 100 took no longer
	fieldListMedian
	fieldListMost
	fieldMountMedian
	fieldMountMost
	fields
)

var fieldKeys = [fields]string{
	"at", "names", "files", "bytes", "requests", "bad", "operations", "read_bytes",
	"get_p50", "get_p99", "list_p50", "list_p99", "mount_p50", "mount_p99",
}

// sample is one row of the history.
type sample [fields]float64

// sampleOf makes a row of what was counted now, and before.
func sampleOf(at time.Time, m, before *Meters) sample {
	s := sample{
		fieldAt:    float64(at.UnixMilli()) / 1e3,
		fieldNames: float64(m.Names), fieldFiles: float64(m.Files), fieldBytes: float64(m.Bytes),
		fieldRequests: float64(m.Requests), fieldBad: float64(m.Bad),
		fieldOperations: float64(m.Operations), fieldReadBytes: float64(m.ReadBytes),
	}
	for _, d := range []struct {
		field       int
		now, before *histogram.Snapshot
	}{{fieldGetMedian, &m.Get, &before.Get}, {fieldListMedian, &m.List, &before.List}, {fieldMountMedian, &m.Mount, &before.Mount}} {
		s[d.field], s[d.field+1] = within(d.now, d.before, 0.5), within(d.now, d.before, 0.99)
	}
	return s
}

package segments

import "github.com/motefs/motefs/cache"

// Format is the number of the layout. A program that finds another one leaves it alone.
//
//	2	the directories of a name segment have a table of their own
const Format = 2

// Mirror says what the objects below a prefix are.
type Mirror struct {
	Format int    `json:"format"`
	ID     string `json:"id"`     // random, 32 hexadecimal digits
	Origin string `json:"origin"` // as cache.Options.Origin
	Made   int64  `json:"made"`   // in seconds since 1970
}

// Names is the head of a name segment. The object is a line of JSON, and then the tables of
// NameSizes: of its new directories, of its files (pending), and of the directories that
// its names stand in and earlier segments have, up to the root: for who fetches the files and has
// nothing else. See cache.NameTables.
type Names struct {
	Format  int    `json:"format"`
	Mirror  string `json:"mirror"`
	Seq     uint64 `json:"seq"`
	Attempt string `json:"attempt"`
	Prev    string `json:"prev,omitempty"` // Attempt of Seq-1, empty for 0
	Epoch   uint64 `json:"epoch"`          // of the lease of who wrote it
	// Marker is that of the listing's page that comes after it. Complete: there is none.
	Marker   string `json:"marker"`
	Complete bool   `json:"complete,omitempty"`
	// Passed is how many names of the page at Marker are in it, or in segments before it: a
	// page may be longer than a segment. PassedSum is the sum of those names, by which
	// a successor sees whether they still stand there; see mirror/cluster.
	Passed    uint64 `json:"passed,omitempty"`
	PassedSum uint64 `json:"passed_sum,string,omitempty"`
	// State is that of the numbering after it; see cache.Numbering.
	State []byte `json:"state"`
	Part  Part   `json:"part"`
	// Files is how many files it and all segments before it have.
	Files uint64 `json:"files"`
	NameSizes
	ContextSum uint64 `json:"context_sum,string"`
}

// NameSizes says how long the tables of a name segment are, in bytes, in their order, and what their
// sums are; see cache.Table.
type NameSizes struct {
	DirsSize    int64  `json:"dirs_size"`
	DirsSum     uint64 `json:"dirs_sum,string"`
	FilesSize   int64  `json:"files_size"`
	FilesSum    uint64 `json:"files_sum,string"`
	ContextSize int64  `json:"context_size"`
}

// All is how long all tables are together, in bytes.
func (s *NameSizes) All() int64 { return s.DirsSize + s.FilesSize + s.ContextSize }

func (s *NameSizes) check(what string) error {
	for _, n := range []int64{s.DirsSize, s.FilesSize, s.ContextSize} {
		if n < 0 || n > MaxTable {
			return bad(what, "tables of %d, %d and %d bytes", s.DirsSize, s.FilesSize, s.ContextSize)
		}
	}
	return nil
}

// Part counts what one segment has; those of all segments add up.
type Part = cache.NameCounts

// Commit says which attempt's contents are those of a segment.
type Commit struct {
	Format  int    `json:"format"`
	Mirror  string `json:"mirror"`
	Seq     uint64 `json:"seq"`
	Names   string `json:"names"` // Attempt of the name segment
	Attempt string `json:"attempt"`
	Worker  string `json:"worker"`
	At      int64  `json:"at"` // in seconds since 1970, by the worker's clock; only told
	// Tables are contents/SEQ-ATTEMPT/0, 1, …: the outcome, and then the contents.
	Tables []Table             `json:"tables"`
	Counts cache.ContentCounts `json:"counts"`
}

// Table is a table of contents.
type Table struct {
	Size int64  `json:"size"` // in bytes
	Sum  uint64 `json:"sum,string"`
	// Last is the key of its last entry, by which a reader finds the one of a file; see
	// cache.ExportTo. Empty where that is not known, or there is none.
	Last []byte `json:"last,omitempty"`
}

// Sealed is what a manifest says of a segment: all that a reader needs to find its objects.
type Sealed struct {
	Seq      uint64 `json:"seq"`
	Names    string `json:"names"`
	HeadSize int64  `json:"head_size"` // of the name segment's line of JSON, with its end
	NameSizes
	Part    Part                `json:"part"`
	Attempt string              `json:"attempt"`
	Tables  []Table             `json:"tables"`
	Counts  cache.ContentCounts `json:"counts"`
}

// Manifest says which segments are sealed.
type Manifest struct {
	Format   int      `json:"format"`
	Mirror   string   `json:"mirror"`
	Number   uint64   `json:"number"`
	Attempt  string   `json:"attempt"`
	Full     bool     `json:"full,omitempty"` // Segments are all, and not those that are new
	Complete bool     `json:"complete,omitempty"`
	Segments []Sealed `json:"segments"`
}

package status

import (
	"fmt"
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
	"github.com/motefs/motefs/fs"
)

// SchemaVersion is that of Status. Within one, fields and states are only added.
const SchemaVersion = 1

// State says in a word what goes on.
type State string

// The states.
const (
	Starting   State = "starting"           // the store is open, and nothing has begun
	Listing    State = "listing"            // names are listed, and no files are mirrored
	Mirroring  State = "mirroring"          // files are fetched; listing_complete says whether names still come
	Refreshing State = "refreshing"         // the origin is looked at again
	Serving    State = "serving"            // all names are listed; files are fetched when they are read
	Complete   State = "complete"           // every file is here or gone
	NoOrigin   State = "waiting_for_origin" // the origin gives nothing
	NoRoom     State = "waiting_for_room"   // the store's disk is full
	Failed     State = "failed"             // it ended with an error, or tries again later: last_error
	Stopped    State = "stopped"            // at rest, and not complete
	Unreadable State = "unreadable"         // the store cannot be read: last_error
	InUse      State = "in_use"             // a process holds the store that does not say what it does
	Verifying  State = "verifying"          // the store is being checked
	Ended      State = "ended"              // all was asked for, and some files failed
)

// Status is what a motefs is doing, or what a store at rest holds. It is one JSON object;
// docs/status.md has each field. A pointer is null where its value is not known, and never
// 0 instead.
type Status struct {
	SchemaVersion int        `json:"schema_version"`
	Time          time.Time  `json:"time"`    // when this was gathered
	Version       string     `json:"version"` // of the program that says it
	PID           *int       `json:"pid"`     // null: the store is at rest
	Command       *string    `json:"command"` // mount, mirror, …; null: at rest
	StartedAt     *time.Time `json:"started_at"`
	Holder        *string    `json:"holder"` // of a store in use, what that process says of itself
	Mountpoint    *string    `json:"mountpoint"`
	Origin        string     `json:"origin"`
	Store         string     `json:"store"` // its directory

	State           State      `json:"state"`
	ListingComplete bool       `json:"listing_complete"`
	ListedAt        *time.Time `json:"listed_at"` // when the listing began that was last complete
	Prefetch        bool       `json:"prefetch"`  // every file is mirrored, not only what is read

	// Numbers of files.
	Listed         uint64            `json:"listed"`
	Fetched        uint64            `json:"fetched"`
	Pending        uint64            `json:"pending"` // listed, and neither fetched nor gone nor failed
	Failed         uint64            `json:"failed"`
	FailedByReason map[string]uint64 `json:"failed_by_reason"` // null: not counted yet
	Gone           uint64            `json:"gone"`
	Skipped        uint64            `json:"skipped"` // names that were left out
	Directories    uint64            `json:"directories"`

	ContentBytes  uint64  `json:"content_bytes"`
	DiskBytes     *uint64 `json:"disk_bytes"` // what the store takes of the disk
	DiskFreeBytes *uint64 `json:"disk_free_bytes"`

	// Of the last few seconds.
	NamesPerSecond *uint64 `json:"names_per_second"`
	FilesPerSecond *uint64 `json:"files_per_second"`
	BytesPerSecond *uint64 `json:"bytes_per_second"`

	// Since the command began. Active is without the time in which nothing was to do.
	SecondsElapsed   *uint64 `json:"seconds_elapsed"`
	SecondsActive    *uint64 `json:"seconds_active"`
	SecondsRemaining *uint64 `json:"seconds_remaining"`
	RunFiles         *uint64 `json:"run_files"` // fetched since the command began
	// Of the run's files, over the time in which there was something to do.
	AverageFilesPerSecond *uint64 `json:"average_files_per_second"`
	AverageBytesPerSecond *uint64 `json:"average_bytes_per_second"`
	RunBytes              *uint64 `json:"run_bytes"`

	OriginUp         *bool      `json:"origin_up"` // null: nothing was asked so far
	LastError        *string    `json:"last_error"`
	LastErrorAt      *time.Time `json:"last_error_at"`
	ThrottledUntil   *time.Time `json:"throttled_until"`   // 429 or 503: nothing is asked for before
	Slowed           bool       `json:"slowed"`            // slower than before, as the origin said 429 or 503
	Connections      *uint64    `json:"connections"`       // open ones
	ConnectionsLimit *uint64    `json:"connections_limit"` // --connections
	Requests         *uint64    `json:"requests"`          // gets that were written to the origin

	Mount   *Mount     `json:"mount"`   // null: nothing is mounted
	Refresh *Refreshed `json:"refresh"` // null: nothing was refreshed since the command began
}

// Public is the status as all may see it: without a name of a file, which the last error may
// have, for which its word of failed_by_reason stands then.
func (s *Status) Public() *Status {
	public := *s
	if s.LastError != nil {
		public.LastError = new(reasonOf(*s.LastError))
	}
	return &public
}

// Mount counts what a mount's kernel has asked for. Most of what programs ask is answered by
// the kernel's own caches, and not in here.
type Mount struct {
	Lookups        int64 `json:"lookups"`
	GetAttrs       int64 `json:"getattrs"`
	Reads          int64 `json:"reads"`
	ReadBytes      int64 `json:"read_bytes"`
	DirectoryReads int64 `json:"directory_reads"`
	Misses         int64 `json:"misses"` // that went to the origin
	Errors         int64 `json:"errors"`
	Timeouts       int64 `json:"timeouts"`
	Interrupts     int64 `json:"interrupts"`
}

// Refreshed counts what a refresh has found so far, in files.
type Refreshed struct {
	Listed   uint64 `json:"listed"`
	Compared uint64 `json:"compared"`
	New      uint64 `json:"new"`
	Changed  uint64 `json:"changed"`
	Removed  uint64 `json:"removed"`
	Returned uint64 `json:"returned"`
	Kept     uint64 `json:"kept"` // without a certain answer
	// PerSecond is how many were listed and compared in each of the last few seconds.
	PerSecond *uint64 `json:"per_second"`
}

func mountOf(s fs.Stats) *Mount {
	return &Mount{
		Lookups: s.Lookups, GetAttrs: s.GetAttrs, Reads: s.Reads, ReadBytes: s.ReadBytes, DirectoryReads: s.DirReads,
		Misses: s.Misses, Errors: s.Errors, Timeouts: s.Timeouts, Interrupts: s.Interrupts,
	}
}

// Line is the status in a few words, as for a service manager: plain ASCII, without names.
func (s *Status) Line() string {
	line := fmt.Sprintf("%s: %d listed, %d fetched", s.State, s.Listed, s.Fetched)
	if s.Failed > 0 {
		line += fmt.Sprintf(", %d failed", s.Failed)
	}
	if s.FilesPerSecond != nil && *s.FilesPerSecond > 0 {
		line += fmt.Sprintf(", %d files/s", *s.FilesPerSecond)
	}
	if s.SecondsRemaining != nil {
		line += ", " + text.Seconds(*s.SecondsRemaining) + " left"
	}
	return line
}

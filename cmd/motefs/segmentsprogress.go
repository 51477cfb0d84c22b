package main

import (
	"errors"
	"sync"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/cluster"
)

// segmentsProgress is a mirror in segments as package status looks at a store: what all
// processes have done, as far as this one has heard.
type segmentsProgress struct {
	process *cluster.Process
	origin  string
	dir     string
	mu      struct {
		sync.Mutex
		// fetched is what was sealed when this process first heard of it, less what the
		// processes of then had fetched: those before them did it.
		fetched uint64
		known   bool
	}
}

func (s *segmentsProgress) Origin() string { return s.origin }

func (s *segmentsProgress) Dir() string { return s.dir }

func (s *segmentsProgress) Short() bool { return false }

var errNotAsked = errors.ErrUnsupported

// Free is not known: what is worked at is little, and the mirror is elsewhere.
func (s *segmentsProgress) Free() (uint64, error) { return 0, errNotAsked }

// Failures has none: they stand in the object store, and a mount of it lists them.
func (s *segmentsProgress) Failures(cache.Inode, func(cache.Inode, cache.Failure) bool) error {
	return nil
}

// Progress adds up what the processes report. Between two manifests it is ahead of what is
// sealed by what they have fetched since.
func (s *segmentsProgress) Progress() cache.Progress {
	all := append(s.process.Others(), s.process.Report())
	var files uint64
	var leading *cluster.Leading
	for i := range all {
		files += uint64(max(all[i].Files, 0))
		if l := all[i].Leader; l != nil && (leading == nil || l.Epoch > leading.Epoch) {
			leading = l
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if leading == nil {
		return cache.Progress{Fetched: s.mu.fetched + files, Files: s.mu.fetched + files}
	}
	if !s.mu.known {
		s.mu.known, s.mu.fetched = true, leading.Fetched-min(leading.Fetched, files)
	}
	return cache.Progress{
		ListingComplete: leading.ListingComplete,
		Files:           max(leading.Listed, leading.Files), Dirs: leading.Dirs, Skipped: leading.Skipped,
		Fetched: min(max(leading.Fetched, s.mu.fetched+files), max(leading.Listed, leading.Files)-min(leading.Gone+leading.Failed, leading.Listed)),
		Bytes:   leading.Bytes, Gone: leading.Gone, Failed: leading.Failed,
	}
}

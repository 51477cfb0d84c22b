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
		// before is what was sealed when this process first heard of it, less what the
		// processes of then had fetched: those before them did it.
		before fetchedSoFar
		known  bool
		// base is how far all were when this process first heard of it, less what it had fetched.
		base cache.Progress
		// last is how far all were when somebody led last.
		last cache.Progress
		// end is what the mirror has; nil: it is not known to be complete.
		end *cluster.Totals
	}
}

// fetchedSoFar counts files that were fetched, and their bytes.
type fetchedSoFar struct{ files, bytes uint64 }

func (s *segmentsProgress) Origin() string { return s.origin }

func (s *segmentsProgress) Dir() string { return s.dir }

func (s *segmentsProgress) Short() bool { return false }

var errNotAsked = errors.ErrUnsupported

// Free is not known: what is worked at is little, and the mirror is elsewhere.
func (s *segmentsProgress) Free() (uint64, error) { return 0, errNotAsked }

// Failures lists none: they stand in the object store, and a mount of it lists them.
func (s *segmentsProgress) Failures(cache.Inode, func(cache.Inode, cache.Failure) bool) error {
	return errNotAsked
}

// ended notes what the mirror has, which is complete. Nobody reports any more what it does.
func (s *segmentsProgress) ended(all cluster.Totals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.end = &all
}

// Run is what this process has fetched itself.
func (s *segmentsProgress) Run() (files, bytes *uint64) {
	r := s.process.Report()
	return new(uint64(max(r.Files, 0))), new(uint64(max(r.Bytes, 0)))
}

// Since is how far all have come since this process heard of them; before that, what it has fetched itself. What
// others did before it began is no work of these seconds.
func (s *segmentsProgress) Since(p cache.Progress) cache.Progress {
	own := s.process.Report()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.known {
		files, bytes := uint64(max(own.Files, 0)), uint64(max(own.Bytes, 0))
		return cache.Progress{Files: files, Fetched: files, Bytes: bytes}
	}
	base := &s.mu.base
	p.Files, p.Fetched, p.Bytes = p.Files-min(p.Files, base.Files), p.Fetched-min(p.Fetched, base.Fetched), p.Bytes-min(p.Bytes, base.Bytes)
	return p
}

// Progress adds up what the processes report. Between two manifests it is ahead of what is
// sealed by what they have fetched since.
func (s *segmentsProgress) Progress() cache.Progress {
	done, leading := heard(append(s.process.Others(), s.process.Report()))
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.mu.end; t != nil {
		return cache.Progress{ListingComplete: true, Files: t.Files, Dirs: t.Dirs, Skipped: t.Skipped, Fetched: t.Fetched, Bytes: t.Bytes, Gone: t.Gone, Failed: t.Failed}
	}
	if leading == nil {
		// What was known still holds while nobody leads.
		p := s.mu.last
		p.Fetched, p.Bytes = max(p.Fetched, s.mu.before.files+done.files), max(p.Bytes, s.mu.before.bytes+done.bytes)
		p.Files = max(p.Files, p.Fetched+p.Gone+p.Failed)
		return p
	}
	first := !s.mu.known
	if first {
		s.mu.known = true
		s.mu.before = fetchedSoFar{leading.Fetched - min(leading.Fetched, done.files), leading.Bytes - min(leading.Bytes, done.bytes)}
	}
	fetched := max(leading.Fetched, s.mu.before.files+done.files)
	listed := max(leading.Listed, leading.Files)
	if !leading.ListingComplete { // what it says of the listing may be older
		listed = max(listed, fetched)
	}
	p := cache.Progress{
		ListingComplete: leading.ListingComplete,
		Files:           listed, Dirs: leading.Dirs, Skipped: leading.Skipped,
		Fetched: min(fetched, listed-min(leading.Gone+leading.Failed, listed)),
		Bytes:   max(leading.Bytes, s.mu.before.bytes+done.bytes), Gone: leading.Gone, Failed: leading.Failed,
	}
	if first {
		own := s.process.Report()
		files, bytes := uint64(max(own.Files, 0)), uint64(max(own.Bytes, 0))
		s.mu.base = cache.Progress{Files: p.Files - min(p.Files, files), Fetched: p.Fetched - min(p.Fetched, files), Bytes: p.Bytes - min(p.Bytes, bytes)}
	}
	s.mu.last = p
	return p
}

// heard adds up what processes say that they have fetched, and returns what the one says that
// leads; nil: none does.
func heard(all []cluster.Report) (done fetchedSoFar, leading *cluster.Leading) {
	for i := range all {
		done.files += uint64(max(all[i].Files, 0))
		done.bytes += uint64(max(all[i].Bytes, 0))
		if l := all[i].Leader; l != nil && (leading == nil || l.Epoch > leading.Epoch) {
			leading = l
		}
	}
	return done, leading
}

package serve

// SyntheticEdition says what the files have become since they were made: which
// are changed, which are gone and which are new. It is a state and not a step: of
// each file it says the same whatever was served before, and a file that it leaves
// alone is as it was made. The zero value leaves all alone.
type SyntheticEdition struct {
	// Changed is the fraction of the files, 0 to 1, that have another body, of
	// the same length or another, another ETag and a later Last-Modified.
	Changed float64
	// Removed is the fraction of the files that are not there any more. No file
	// is both: what Changed and Removed are above 1 together, Changed has less.
	Removed float64
	// Added is the fraction of the files that have a new one behind them in the
	// listing, in the same directory, also where they are removed themselves.
	Added float64
	// Seed changes which files these are, and what the changed ones became. Of two
	// editions that both changed a file, that of the greater seed has the later
	// Last-Modified, up to maxEditionSeed.
	Seed uint64
}

const (
	// addedSuffix ends the name of an added file, and of no other. It sorts
	// between the file before it and the next one.
	addedSuffix = "-new"
	// shortBody is the length in bytes below which a changed body is of another
	// length: two short ones of one length could be the same.
	shortBody = 64
	// sinceEdition is before the Last-Modified of every changed file and after all
	// others', in seconds since 1970.
	sinceEdition = 1_600_000_000 // 13 September 2020
	// editionSeconds are how many seconds the changes of one edition spread over.
	editionSeconds = 1_000_000
	maxEditionSeed = 100
)

// edition is a SyntheticEdition ready for use.
type edition struct {
	seed uint64
	// A file is removed, changed, or followed by a new one, if its draw is below
	// the limit. Limits are of 53 bits, as a float64 has.
	removed, changed, added uint64
	delay                   int64 // of its changes, in seconds from sinceEdition on
}

// newEdition returns nil for one that leaves all alone.
func newEdition(o SyntheticEdition) *edition {
	limit := func(fraction float64) uint64 {
		if !(fraction > 0) { // nor a number
			return 0
		}
		return uint64(min(1, fraction) * (1 << 53))
	}
	e := &edition{seed: o.Seed, removed: limit(o.Removed), added: limit(o.Added)}
	e.changed = limit(o.Removed + o.Changed)
	if e.changed == 0 && e.added == 0 {
		return nil
	}
	e.delay = int64(min(o.Seed, maxEditionSeed)) * editionSeconds
	return e
}

// draw is a number of 53 bits that decides over file i, another one for each kind.
func (e *edition) draw(i int64, kind uint64) uint64 {
	return mix(mix(uint64(i)^kind<<62)+(e.seed+1)*golden) >> 11
}

// Removed reports whether the edition has removed file i.
func (s *Synthetic) Removed(i int64) bool {
	e := s.edition
	return e != nil && i < s.o.Files && e.draw(i, 1) < e.removed
}

// Changed reports whether the edition has changed file i.
func (s *Synthetic) Changed(i int64) bool {
	return s.edition != nil && i < s.o.Files && s.edition.changes(i)
}

func (e *edition) changes(i int64) bool {
	d := e.draw(i, 1)
	return d >= e.removed && d < e.changed
}

// Added returns the index of the file that the edition has added behind file i,
// and whether there is one. It is i + Len.
func (s *Synthetic) Added(i int64) (int64, bool) {
	e := s.edition
	if e == nil || i < 0 || i >= s.o.Files || e.draw(i, 2) >= e.added {
		return 0, false
	}
	return i + s.o.Files, true
}

// EditionCounts are how many files an edition touches.
type EditionCounts struct{ Changed, Removed, Added int64 }

// EditionCounts counts by going through all files.
func (s *Synthetic) EditionCounts() (n EditionCounts) {
	if s.edition == nil {
		return n
	}
	for i := range s.o.Files {
		switch {
		case s.Removed(i):
			n.Removed++
		case s.Changed(i):
			n.Changed++
		}
		if _, ok := s.Added(i); ok {
			n.Added++
		}
	}
	return n
}

// version is another key for a changed file.
func (e *edition) version(key uint64) uint64 { return mix(key ^ mix((e.seed+1)*golden)) }

// size is the length of a changed file that was so long.
func (e *edition) size(was int64, version uint64) int64 {
	switch by := 1 + int64(version>>2%uint64(max(was/4, 16))); {
	case was < shortBody || version&3 == 0:
		return was + by
	case version&3 == 1:
		return was - by
	default:
		return was
	}
}

// modTime is the modification time of a changed file, in seconds since 1970.
func (e *edition) modTime(version uint64) int64 {
	return sinceEdition + 1 + e.delay + int64(version%editionSeconds)
}

// editedPage calls add for each file of the page at from, with its position, and
// returns where the next page begins. It looks at no more than limit positions, for
// many in a row may be removed.
func (s *Synthetic) editedPage(from position, limit int, add func(at position, i int64)) position {
	at, n := from, 0
	for end := min(from.k+int64(limit), s.o.Files); at.k < end; at = (position{k: at.k + 1}) {
		i := s.Listed(at.k)
		if !at.behind && !s.Removed(i) {
			if n++; n > limit {
				return at
			}
			add(at, i)
		}
		if extra, ok := s.Added(i); ok {
			behind := position{at.k, true}
			if n++; n > limit {
				return behind
			}
			add(behind, extra)
		}
	}
	return at
}

package cache

import "bytes"

// NameCounts counts the names of a segment and says where they stand. The counts of all
// segments add up.
type NameCounts struct {
	First Inode `json:"first"` // its numbers are from First on and below End
	// Spare are the last of its numbers, from it on: for files that turn out to be another
	// than was listed. Those before are given out.
	Spare   Inode  `json:"spare"`
	End     Inode  `json:"end"`
	Files   uint64 `json:"files"`
	Dirs    uint64 `json:"dirs"`
	Skipped uint64 `json:"skipped,omitempty"`
	// DirKeys and FileKeys are where the entries of its new directories stand, and those of
	// its files.
	DirKeys  KeyRange `json:"dir_keys"`
	FileKeys KeyRange `json:"file_keys"`
	// MinName and MaxName bound the origin's names of its files, cut to MaxBound bytes: a
	// name is in it only if, cut as well, it lies between them. Both are empty where
	// that is not known.
	MinName []byte `json:"min_name,omitempty"`
	MaxName []byte `json:"max_name,omitempty"`
}

// KeyRange is the first and the last key of entries; see EntryKey. Both are empty where there
// are none.
type KeyRange struct {
	Min []byte `json:"min,omitempty"`
	Max []byte `json:"max,omitempty"`
}

// keys are where the entries of one kind stand.
func (c *NameCounts) keys(kind Kind) *KeyRange {
	if kind == Dir {
		return &c.DirKeys
	}
	return &c.FileKeys
}

// mayHaveIn reports whether an entry of the directory dir may be among them.
func (r *KeyRange) mayHaveIn(dir Inode) bool {
	first, _, ok := splitEntryKey(r.Min)
	last, _, too := splitEntryKey(r.Max)
	return ok && too && first <= dir && dir <= last
}

// EntryKey is the key of an entry, by which entries are sorted in tables.
func EntryKey(parent Inode, name string) []byte {
	return appendEntryKey(make([]byte, 0, entryKeyLen+len(name)), parent, name)
}

// MaxBound is how much of a name bounds those of a segment, in bytes.
const MaxBound = 256

// Bound widens MinName and MaxName so that name lies between them; first says that it is
// the segment's first.
func (c *NameCounts) Bound(name string, first bool) {
	name = name[:min(len(name), MaxBound)]
	if first || name < string(c.MinName) {
		c.MinName = append(c.MinName[:0], name...)
	}
	if first || name > string(c.MaxName) {
		c.MaxName = append(c.MaxName[:0], name...)
	}
}

// MayHave reports whether the segment may have an entry of a kind called name in the directory
// parent. origin is the origin's name that stands there, or of a directory what the names
// below it begin with, up to the slash; known is false where there is none.
func (c *NameCounts) MayHave(kind Kind, parent Inode, name, origin string, known bool) bool {
	key, keys := EntryKey(parent, name), c.keys(kind)
	switch {
	case len(keys.Max) == 0 || bytes.Compare(key, keys.Min) < 0 || bytes.Compare(key, keys.Max) > 0:
		return false
	case !known || !c.bounded():
		return true
	case kind == Dir:
		return c.between(origin+"/", origin+"0")
	}
	return c.between(origin, origin)
}

// MayHaveIn reports whether the segment may have entries of a kind in the directory dir. prefix
// is what the origin's names in it begin with, slash included; known is false where that is not
// to be said.
func (c *NameCounts) MayHaveIn(kind Kind, dir Inode, prefix string, known bool) bool {
	if !c.keys(kind).mayHaveIn(dir) {
		return false
	}
	if !known || !c.bounded() || prefix == "" {
		return true
	}
	return c.between(prefix, prefix[:len(prefix)-1]+"0") // which comes after the slash
}

func (c *NameCounts) bounded() bool { return len(c.MaxName) > 0 }

// between reports whether there may be names from from on and up to to.
func (c *NameCounts) between(from, to string) bool {
	from, to = from[:min(len(from), MaxBound)], to[:min(len(to), MaxBound)]
	return from <= string(c.MaxName) && to >= string(c.MinName)
}

// ContentCounts counts what became of the files of a segment. The counts of all segments
// add up.
type ContentCounts struct {
	Fetched uint64 `json:"fetched"`
	Bytes   uint64 `json:"bytes"`
	Gone    uint64 `json:"gone,omitempty"`
	Failed  uint64 `json:"failed,omitempty"`
	Blobs   uint64 `json:"blobs,omitempty"`
	// Replaced are the files that were another than listed, and have a spare number.
	Replaced uint64 `json:"replaced,omitempty"`
}

package cache

// NameCounts counts the names of a segment and says where they stand. The counts of all
// segments add up.
type NameCounts struct {
	First Inode `json:"first"` // its numbers are from First on and below End
	// Spare are the last of its numbers, from it on: for files that turn out to be another
	// than was listed. Those before are given out.
	Spare     Inode  `json:"spare"`
	End       Inode  `json:"end"`
	Files     uint64 `json:"files"`
	Dirs      uint64 `json:"dirs"`
	Skipped   uint64 `json:"skipped,omitempty"`
	Unchecked uint64 `json:"unchecked,omitempty"`
	// MinDir and MaxDir bound the directories that its runs are of.
	MinDir Inode `json:"min_dir"`
	MaxDir Inode `json:"max_dir"`
	// MinEntry and MaxEntry bound the keys of its entries.
	MinEntry []byte `json:"min_entry"`
	MaxEntry []byte `json:"max_entry"`
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

package serve

import "strconv"

// A page's ETag is made from what the page is made from, which costs a tenth of the
// page: the options that names depend on, and the positions of the page's files. So
// it is the same in all editions that have the same page.

// TaggedPage implements PageTagger. Without validators it is Page.
func (s *Synthetic) TaggedPage(marker string, limit int, told func(etag []byte) bool, add func(name []byte)) (string, error) {
	from, err := parsePosition(marker, s.o.Files)
	if err != nil {
		return "", err
	}
	if s.o.Validators && !told(s.pageETag(from, limit)) {
		return "", nil
	}
	return s.Page(marker, limit, add)
}

// pageETag is the ETag of the page at from.
func (s *Synthetic) pageETag(from position, limit int) []byte {
	sum := mix(uint64(s.o.Files))
	put := func(v uint64) { sum = mix(sum+golden) ^ mix(v) }
	put(uint64(s.o.FilesPerDir))
	if s.o.Shuffle {
		put(1)
		put(s.o.Seed)
	}
	var to position
	if s.edition == nil {
		from = from.unedited()
		to.k = min(from.k+int64(limit), s.o.Files)
		for k := from.k; k < to.k; k++ {
			put(position{k: k}.ordinal())
		}
	} else {
		to = s.editedPage(from, limit, func(at position, _ int64) { put(at.ordinal()) })
	}
	put(^to.ordinal())
	return append(strconv.AppendUint([]byte{'"'}, sum, 16), '"')
}

// ordinal is another number for each position.
func (p position) ordinal() uint64 {
	n := uint64(p.k) << 1
	if p.behind {
		n++
	}
	return n
}

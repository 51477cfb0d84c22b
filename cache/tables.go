package cache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// dbTable is a table that the database has, and what is damaged in it.
type dbTable struct {
	level  int
	number uint64
	size   uint64
	keys   span // of all its keys, as the database has them
	lost   []span
	what   []string
}

func (t *dbTable) name() string { return tableName(t.number) }

func tableName(number uint64) string { return fmt.Sprintf("%06d%s", number, tableSuffix) }

// lose says that nothing of the table can be relied on.
func (t *dbTable) lose(format string, args ...any) {
	t.lost, t.what = []span{t.keys}, append(t.what, fmt.Sprintf(format, args...))
}

// tablesOf lists the tables of a database.
func tablesOf(db *pebble.DB) ([]*dbTable, error) {
	levels, err := db.SSTables()
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	var tables []*dbTable
	for level, infos := range levels {
		for i := range infos {
			info := &infos[i]
			tables = append(tables, &dbTable{level: level, number: uint64(info.FileNum), size: info.Size,
				keys: span{slices.Clone(info.Smallest.UserKey), behind(info.Largest.UserKey)}})
		}
	}
	return tables, nil
}

// check reads all of the table's file. The error is ctx's, or one of the disk that
// says nothing of the table.
func (t *dbTable) check(ctx context.Context, fs vfs.FS, dir string, o sstable.ReaderOptions) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := fs.PathJoin(dir, t.name())
	info, err := fs.Stat(path)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		t.lose("is missing")
		return nil
	case err != nil:
		return err
	case uint64(info.Size()) != t.size:
		t.lose("has %d bytes and should have %d", info.Size(), t.size)
		return nil
	}
	file, err := openTable(fs, o, path)
	if errors.Is(err, iofs.ErrNotExist) { // put together with others since
		t.lose("is missing")
		return nil
	}
	if errors.Is(err, ErrCorrupt) {
		t.lose("cannot be read: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	t.what = file.what
	for _, l := range file.lost {
		t.lost = append(t.lost, span{maxKey(l.lower, t.keys.lower), minKey(l.upper, t.keys.upper)})
	}
	if len(t.what) > 0 {
		return nil
	}
	first, last, err := file.bounds()
	if errors.Is(err, ErrCorrupt) {
		t.lose("cannot be read: %v", err)
		return nil
	}
	if err == nil && (!bytes.Equal(first, t.keys.lower) || !bytes.Equal(behind(last), t.keys.upper)) {
		t.lose("is another table's file")
	}
	return err
}

func maxKey(a, b []byte) []byte {
	if bytes.Compare(a, b) >= 0 {
		return a
	}
	return b
}

func minKey(a, b []byte) []byte {
	if bytes.Compare(a, b) <= 0 {
		return a
	}
	return b
}

// describe says in a line what is damaged in the table, and whom it hits.
func (t *dbTable) describe(s func(Inode) string) string {
	text := "table db/" + t.name() + ": " + t.what[0]
	if n := len(t.what); n > 1 {
		text += fmt.Sprintf(" and %d more", n-1)
	}
	for i, l := range t.lost {
		if i == lostShown {
			return text + fmt.Sprintf("; and %d more stretches", len(t.lost)-i)
		}
		text += "; " + l.describe(s)
	}
	return text
}

// lostShown is how many of a table's damaged stretches are described.
const lostShown = 3

// describe says in words what keys a span has. path names a directory.
func (s span) describe(path func(Inode) string) string {
	if len(s.lower) == 0 || len(s.upper) == 0 || s.lower[0] != s.upper[0] {
		return "keys of several kinds"
	}
	switch s.lower[0] {
	case keyEntry:
		from, name, ok := splitEntryKey(s.lower)
		to, last, ok2 := splitEntryKey(s.upper)
		if !ok || !ok2 {
			break
		}
		if from == to {
			return fmt.Sprintf("entries of %s from %q to %q", path(from), name, bytes.TrimSuffix(last, []byte{0}))
		}
		return fmt.Sprintf("entries from %q of %s to %q of %s", name, path(from), bytes.TrimSuffix(last, []byte{0}), path(to))
	case keyRun:
		from, _, ok := splitRunKey(s.lower[:min(len(s.lower), 1+2*inodeLen)])
		to, _, ok2 := splitRunKey(s.upper[:min(len(s.upper), 1+2*inodeLen)])
		if !ok || !ok2 {
			break
		}
		if from == to {
			return "names of " + path(from)
		}
		return "names of directories from " + path(from) + " to " + path(to)
	}
	return what(s.lower[0])
}

// what says which kind of key begins with a letter.
func what(letter byte) string {
	switch letter {
	case keyEntry:
		return "entries"
	case keyRun:
		return "names"
	case keyRunIndex:
		return "numbers"
	case keyFailed:
		return "records of failure"
	case keyMeta:
		return "the checkpoint and the counts"
	case keyAside:
		return "what was replaced"
	case keySeen:
		return "what a refresh has seen"
	case keySegment:
		return "what is here of segments"
	case keyTag:
		return "what is known of pages"
	}
	return fmt.Sprintf("keys %q", letter)
}

// sortSpans sorts spans and joins those that overlap.
func sortSpans(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(bytes.Compare(a.lower, b.lower), bytes.Compare(a.upper, b.upper)) })
	var joined []span
	for _, s := range spans {
		if n := len(joined); n > 0 && bytes.Compare(s.lower, joined[n-1].upper) <= 0 {
			joined[n-1].upper = maxKey(joined[n-1].upper, s.upper)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// inSpans reports whether key is in one of spans, which are sorted.
func inSpans(spans []span, key []byte) bool {
	if len(spans) == 0 {
		return false
	}
	i, found := slices.BinarySearchFunc(spans, key, func(s span, k []byte) int { return bytes.Compare(s.lower, k) })
	return found || i > 0 && bytes.Compare(key, spans[i-1].upper) < 0
}

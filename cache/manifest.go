package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

const (
	manifestMarker = "manifest"
	formatMarker   = "format-version"
	manifestPrefix = "MANIFEST-"
	optionsPrefix  = "OPTIONS-"
	tableSuffix    = ".sst"
	logSuffix      = ".log"
	// tagDeletedFile begins, in a MANIFEST, a table that is not there any more: its
	// level and its number follow. It is LevelDB's, and so will not change.
	tagDeletedFile = 6
	// These come before all others in a record: a name, and four numbers.
	tagComparator, tagLogNumber, tagPrevLogNumber, tagNextFile, tagLastSequence = 1, 2, 9, 3, 4
)

// damageError says which of the database's files is damaged.
type damageError struct {
	file, what string
}

func (e *damageError) Error() string {
	return fmt.Sprintf("%v: db/%s %s", ErrCorrupt, e.file, e.what)
}

func (e *damageError) Unwrap() error { return ErrCorrupt }

// checkDatabase refuses a database of which a file that says what the others are is
// lost or damaged. Pebble would take it for an older one, or for a new one, and remove
// the tables that are not in that. It writes nothing.
func checkDatabase(fs vfs.FS, dir string, o *pebble.Options) error {
	if err := checkMarkers(fs, dir); err != nil {
		return err
	}
	name, err := atomicfs.ReadMarker(fs, dir, manifestMarker)
	if err != nil {
		return &damageError{"marker.manifest", err.Error()}
	}
	version, err := atomicfs.ReadMarker(fs, dir, formatMarker)
	if err != nil || version != databaseFormat.String() {
		return &damageError{"marker.format-version", fmt.Sprintf("says %q and not %q", version, databaseFormat)}
	}
	if err := checkManifest(fs, fs.PathJoin(dir, name)); err != nil {
		return err
	}
	return errors.Join(checkLogs(fs, dir), checkOptions(fs, dir, o))
}

// maxLog is the most that a write-ahead log holds, in bytes: the mark of its end.
const maxLog = 64

// checkLogs looks at the write-ahead logs, which are made and not used.
func checkLogs(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	for _, name := range names {
		if !strings.HasSuffix(name, logSuffix) {
			continue
		}
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err != nil {
			return err
		}
		if info.Size() > maxLog {
			return &damageError{name, "is a log, and there is none"}
		}
	}
	return err
}

// checkOptions looks at the file in which Pebble says how the database was last
// opened. It writes a new one each time, and reads the newest.
func checkOptions(fs vfs.FS, dir string, o *pebble.Options) error {
	name, err := newest(fs, dir, optionsPrefix)
	if err != nil || name == "" {
		return err
	}
	text, err := readAll(fs, fs.PathJoin(dir, name))
	if err == nil && !strings.Contains(text, "[Options]") {
		err = errors.New("is empty, or not what the database wrote")
	}
	if err == nil {
		o.EnsureDefaults()
		err = o.CheckCompatibility(dir, text)
	}
	if err != nil {
		return &damageError{name, err.Error()}
	}
	return nil
}

// newest is the file in dir with that prefix and the highest number, "" if none.
func newest(fs vfs.FS, dir, prefix string) (string, error) {
	names, err := fs.List(dir)
	found := ""
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && (len(name) > len(found) || len(name) == len(found) && name > found) {
			found = name
		}
	}
	return found, err
}

// maxOptions bounds the OPTIONS file, in bytes.
const maxOptions = 1 << 20

func readAll(fs vfs.FS, path string) (string, error) {
	f, err := fs.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxOptions))
	return string(text), errors.Join(err, f.Close())
}

// readManifest calls fn, if it is not nil, for each record of a MANIFEST. The error
// is a *damageError where one cannot be read, but for a last one that was cut off, as
// a power cut does to what was not yet waited for.
func readManifest(fs vfs.FS, path string, fn func(rec []byte) error) error {
	f, err := fs.Open(path)
	if errors.Is(err, iofs.ErrNotExist) {
		return &damageError{fs.PathBase(path), "is missing"}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	records, n := record.NewReader(f, 0), 0
	for ; ; n++ {
		at := records.Offset()
		rec, err := records.Next()
		var text []byte
		if err == nil {
			text, err = io.ReadAll(rec)
		}
		if err == nil && fn != nil {
			if err := fn(text); err != nil {
				return err
			}
		}
		if err == nil {
			continue
		}
		if n > 0 && (errors.Is(err, io.EOF) || tornAt(f, at)) {
			return nil
		}
		return &damageError{fs.PathBase(path), fmt.Sprintf("cannot be read from its record %d on, at %d", n+1, at)}
	}
}

// checkManifest refuses a MANIFEST that cannot be read, or that names no table: a store has one from when
// it is made on, with its checkpoint. One that was cut off behind its first record may name none.
func checkManifest(fs vfs.FS, path string) error {
	tables := false
	err := readManifest(fs, path, func(rec []byte) error {
		_, more := manifestHeader(rec)
		tables = tables || more
		return nil
	})
	if err == nil && !tables {
		err = &damageError{fs.PathBase(path), "names no table"}
	}
	return err
}

// manifestHeader reads what comes first in a record of a MANIFEST. next is the number of the next file, 0
// where it says none; more, that it says something of tables.
func manifestHeader(rec []byte) (next uint64, more bool) {
	for d := (decoder{rest: rec}); len(d.rest) > 0 && !d.bad; {
		switch d.uvarint() {
		case tagComparator:
			d.bytes(d.uvarint())
		case tagLogNumber, tagPrevLogNumber, tagLastSequence:
			d.uvarint()
		case tagNextFile:
			next = max(next, d.uvarint())
		default:
			return next, true
		}
	}
	return next, false
}

// nextFile is the lowest number that none of the database's files has had.
func nextFile(fs vfs.FS, dir string) (next uint64, err error) {
	name, err := currentManifest(fs, dir)
	if err != nil {
		return 0, err
	}
	err = readManifest(fs, fs.PathJoin(dir, name), func(rec []byte) error {
		n, _ := manifestHeader(rec)
		next = max(next, n)
		return nil
	})
	return next, err
}

// tornAt reports whether a MANIFEST looks as if it had been cut off in the record
// that begins at off: what is missing has no bytes or zeros.
func tornAt(f vfs.File, off int64) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	rest := make([]byte, info.Size()-off)
	if _, err := f.ReadAt(rest, off); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	// A chunk is its checksum, its length, a type, and what it holds; a record of
	// more than one is long, and waited for before the MANIFEST is used.
	const header, blockSize = 7, 32 << 10
	if len(rest) < header || off/blockSize != (info.Size()-1)/blockSize {
		return len(rest) < blockSize
	}
	if header+int(binary.LittleEndian.Uint16(rest[4:])) > len(rest) {
		return true
	}
	return rest[len(rest)-1] == 0
}

// rewriteManifest writes the records of a MANIFEST that can be read, and that those
// tables are not there any more, into another one, which then is the database's. If
// there is none that can be read it removes all of them.
func rewriteManifest(fs vfs.FS, dir string, dropped []*dbTable) error {
	old, err := currentManifest(fs, dir)
	if err != nil {
		return err
	}
	number := 0
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		var n int
		digits := strings.TrimSuffix(name[strings.IndexByte(name, '-')+1:], tableSuffix)
		if _, err := fmt.Sscanf(digits, "%d", &n); err == nil {
			number = max(number, n)
		}
	}
	name := fmt.Sprintf("%s%06d", manifestPrefix, number+1)
	f, err := fs.Create(fs.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	out := record.NewWriter(f)
	records := 0
	write := func(rec []byte) error {
		records++
		_, err := out.WriteRecord(rec)
		return err
	}
	if old != "" {
		err = readManifest(fs, fs.PathJoin(dir, old), write)
	}
	if errors.Is(err, ErrCorrupt) {
		err = nil // the rest of it is lost
	}
	var edit []byte
	for _, t := range dropped {
		edit = binary.AppendUvarint(edit, tagDeletedFile)
		edit = binary.AppendUvarint(edit, uint64(t.level))
		edit = binary.AppendUvarint(edit, t.number)
	}
	if err == nil && len(edit) > 0 {
		err = write(edit)
	}
	if err := errors.Join(err, out.Close(), f.Sync(), f.Close(), syncDir(fs, dir)); err != nil {
		return err
	}
	if records > 0 {
		return moveMarkers(fs, dir, name)
	}
	for _, name := range append(names, name) {
		if strings.HasPrefix(name, manifestPrefix) || strings.HasPrefix(name, "marker.") {
			if err := fs.Remove(fs.PathJoin(dir, name)); err != nil {
				return err
			}
		}
	}
	return syncDir(fs, dir)
}

// currentManifest is the MANIFEST that the marker names, or without one the newest;
// "" if there is none.
func currentManifest(fs vfs.FS, dir string) (string, error) {
	name, err := atomicfs.ReadMarker(fs, dir, manifestMarker)
	if err == nil && name != "" {
		if _, err := fs.Stat(fs.PathJoin(dir, name)); err == nil {
			return name, nil
		}
	}
	return newest(fs, dir, manifestPrefix)
}

func moveMarkers(fs vfs.FS, dir, manifest string) (err error) {
	defer diskError(&err)
	for kind, value := range map[string]string{manifestMarker: manifest, formatMarker: databaseFormat.String()} {
		m, now, err := atomicfs.LocateMarker(fs, dir, kind)
		if err != nil {
			return err
		}
		if now != value {
			err = m.Move(value)
		}
		if err = errors.Join(err, m.RemoveObsolete(), m.Close()); err != nil {
			return err
		}
	}
	return nil
}

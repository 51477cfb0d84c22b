package replica

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cespare/xxhash/v2"

	"github.com/motefs/motefs/mirror/segments"
)

// indexRecord is what one poll brought: a line of INDEX, behind the XXH64 of its JSON as 16
// hexadecimal digits and a space. Each segment is in one of them, so the file grows as the mirror
// does. A line lasts before a reader is told of what is in it.
type indexRecord struct {
	Mirror   string            `json:"mirror"` // segments.Mirror.ID
	From     uint64            `json:"from"`   // segments.Index.Next before, and after
	Next     uint64            `json:"next"`
	Complete bool              `json:"complete,omitempty"`
	Segments []segments.Sealed `json:"segments"`
}

// sumDigits is how long a line's sum is, with the space behind it.
const sumDigits = 16 + 1

func (i *indexRecord) line() ([]byte, error) {
	text, err := json.Marshal(i)
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "%016x %s", xxhash.Sum64(text), text), '\n'), nil
}

// errIndex says that INDEX is not what was written.
var errIndex = errors.New("INDEX is damaged")

func parseLine(line []byte) (i indexRecord, err error) {
	if len(line) <= sumDigits || !bytes.Equal(line[:sumDigits], fmt.Appendf(nil, "%016x ", xxhash.Sum64(line[sumDigits:len(line)-1]))) {
		return i, errIndex
	}
	if err := json.Unmarshal(line[sumDigits:], &i); err != nil {
		return i, fmt.Errorf("%w: %w", errIndex, err)
	}
	return i, nil
}

// remembered is what INDEX says.
type remembered struct {
	segments.Index
	mirror string // empty where it says nothing
	size   int64  // of the lines that count, in bytes
	// file is what INDEX was when it was read, nil where there was none.
	file iofs.FileInfo
	// bad is why what it says is not all that readers were told.
	bad error
}

// loadIndex reads which segments were sealed when a replica was open last. A last line without an
// end is one that a crash has cut off: nobody was told of it.
func loadIndex(dir string) (k *remembered, err error) {
	k = &remembered{}
	file, err := os.Open(filepath.Join(dir, indexFile)) //nolint:gosec // a file of ours
	if errors.Is(err, iofs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if k.file, err = file.Stat(); err != nil {
		return nil, err
	}
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return k, nil
		}
		if err != nil {
			return nil, err
		}
		i, err := parseLine(line)
		if err == nil && (k.mirror != "" && i.Mirror != k.mirror || i.From != k.Next || i.Mirror == "") {
			err = fmt.Errorf("%w: what it says of manifest %d on does not follow %d", errIndex, i.From, k.Next)
		}
		if err != nil {
			k.bad = err
			return k, nil
		}
		k.mirror, k.Next, k.Complete = i.Mirror, i.Next, i.Complete
		k.Segments = append(k.Segments, i.Segments...)
		k.size += int64(len(line))
	}
}

// still reports whether INDEX is what it was when it was read. It only grows.
func (k *remembered) still(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, indexFile))
	if err != nil || k.file == nil {
		return errors.Is(err, iofs.ErrNotExist) && k.file == nil
	}
	return os.SameFile(info, k.file) && info.Size() == k.file.Size() && info.ModTime().Equal(k.file.ModTime())
}

// Kept reports whether the local store dir has a replica that can be opened while the object
// store is away, as far as can be seen without opening it.
func Kept(dir string) bool {
	known, err := loadIndex(filepath.Join(dir, ours))
	return err == nil && known.kept()
}

// kept reports whether it says what readers were told, as far as it can be seen here.
func (k *remembered) kept() bool { return k.mirror != "" && k.bad == nil }

// remember writes down what a poll brought, behind what counts of INDEX.
func (r *Replica) remember(c *catalog, news []*segment) error {
	i := indexRecord{Mirror: r.id, From: r.catalog.Load().next, Next: c.next, Complete: c.complete, Segments: make([]segments.Sealed, len(news))}
	for k, s := range news {
		i.Segments[k] = s.Sealed
	}
	line, err := i.line()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(r.dir, indexFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = file.Truncate(r.indexSize)
	if err == nil {
		_, err = file.WriteAt(line, r.indexSize)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil && r.indexSize == 0 {
		err = errors.Join(syncFolder(r.dir), syncFolder(filepath.Dir(r.dir)))
	}
	if err == nil {
		r.indexSize += int64(len(line))
	}
	return err
}

// syncFolder has the names in a folder last.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it cannot be opened for that
	}
	f, err := os.Open(dir) //nolint:gosec // a folder of ours
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

package cache

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// badBlocks remembers where tables are damaged. Pebble looks which bit of a damaged
// block was flipped, each time that it is read, which takes a tenth of a second; a
// block that is known fails before it comes to that.
type badBlocks struct {
	sync.Mutex
	known atomic.Pointer[map[badBlock]struct{}]
}

type badBlock struct {
	table  string
	offset int64
}

// maxBadBlocks bounds those that are remembered.
const maxBadBlocks = 4096

// blockText is how Pebble's errors name a block: by its offset and its length.
var blockText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\bblock (\d+)/\d+`) })

// note remembers the block that is named in an error about a table.
func (b *badBlocks) note(table string, err error) {
	m := blockText().FindStringSubmatch(err.Error())
	if m == nil {
		return
	}
	offset, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return
	}
	b.Lock()
	defer b.Unlock()
	next := map[badBlock]struct{}{}
	if known := b.known.Load(); known != nil {
		if len(*known) >= maxBadBlocks {
			return
		}
		maps.Copy(next, *known)
	}
	next[badBlock{path.Base(table), offset}] = struct{}{}
	b.known.Store(&next)
}

// table wraps a table's file, so that its bad blocks fail at once.
func (b *badBlocks) table(name string, f vfs.File) vfs.File {
	if !strings.HasSuffix(name, tableSuffix) {
		return f
	}
	return &tableFile{File: f, bad: b, name: path.Base(name)}
}

type tableFile struct {
	vfs.File
	bad  *badBlocks
	name string
}

func (f *tableFile) ReadAt(p []byte, off int64) (int, error) {
	if known := f.bad.known.Load(); known != nil {
		if _, bad := (*known)[badBlock{f.name, off}]; bad {
			return 0, fmt.Errorf("%w: file %s: block %d is damaged", pebble.ErrCorruption, f.name, off)
		}
	}
	return f.File.ReadAt(p, off)
}

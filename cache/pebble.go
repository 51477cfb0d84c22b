package cache

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/rs/zerolog"
)

// bloomBits is the size of the filters that spare a lookup the tables which do
// not hold its key, in bits for each key.
const bloomBits = 10

// blockSize is the length of a table's blocks before compression, in bytes.
const blockSize = 16 << 10

func (s *Store) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:                          s.opts.FS,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Logger:                      pebbleLog{s.opts.Log},
		CacheSize:                   blockCacheSize,
		MaxOpenFiles:                maxOpenTables,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: memTableStop,
		// A crash keeps a prefix of the commits, which is all that the
		// checkpoint needs; see ARCHITECTURE.md, "Why no write-ahead log?".
		DisableWAL: true,
		// Most tables of a listing in order do not overlap and are only moved;
		// a shuffled one lets tables pile up in L0 rather than stop the mirror.
		L0CompactionThreshold:      4,
		L0StopWritesThreshold:      64,
		LBaseMaxBytes:              256 << 20,
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
		EventListener:              &pebble.EventListener{BackgroundError: s.fail},
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockSize
		o.Levels[i].IndexBlockSize = 64 << 10
		if i < len(o.Levels)-1 {
			// The last level holds nearly every key, so that its filter would
			// be large and rarely say no.
			o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
		} else {
			o.Levels[i].FilterPolicy = pebble.NoFilterPolicy
		}
	}
	for i := range o.TargetFileSizes {
		o.TargetFileSizes[i] = min(int64(4<<20)<<i, 64<<20)
	}
	return o
}

// pebbleLog sends what Pebble says to our log. Its information lines, one for
// each flush and compaction, are debug lines here.
type pebbleLog struct{ log zerolog.Logger }

func (l pebbleLog) Infof(format string, args ...any) {
	if e := l.log.Debug(); e.Enabled() {
		e.Msg(fmt.Sprintf(format, args...))
	}
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error().Msg(fmt.Sprintf(format, args...))
}

// Fatalf must not return; Pebble calls it when going on would lose data.
func (l pebbleLog) Fatalf(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	l.log.Error().Msg(msg)
	panic("store: " + msg)
}

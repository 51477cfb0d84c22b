package cache

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// setting is one value of one of the database's settings.
type setting struct {
	name string
	tune func(*pebble.Options)
}

// chosen is the name of the row in which nothing is changed.
const chosen = "as chosen"

// settings returns every value that BenchmarkSettings tries, those that the
// store has among them.
func settings() []setting {
	list := []setting{{chosen, func(*pebble.Options) {}}}
	add := func(tune func(*pebble.Options), format string, args ...any) {
		list = append(list, setting{fmt.Sprintf(format, args...), tune})
	}
	levels := func(change func(i int, l *pebble.LevelOptions)) func(*pebble.Options) {
		return func(o *pebble.Options) {
			for i := range o.Levels {
				change(i, &o.Levels[i])
			}
		}
	}
	for _, mib := range []uint64{16, 32, 64} {
		add(func(o *pebble.Options) { o.MemTableSize = mib << 20 }, "memtable %d MiB", mib)
	}
	for _, kib := range []int{4, 16, 32} {
		add(levels(func(_ int, l *pebble.LevelOptions) { l.BlockSize = kib << 10 }), "blocks %d KiB", kib)
	}
	for filtered, name := range []string{"no level", "all levels but the last", "all levels"} {
		add(levels(func(i int, l *pebble.LevelOptions) {
			l.FilterPolicy = pebble.NoFilterPolicy
			if filtered == 2 || filtered == 1 && i < len(pebble.Options{}.Levels)-1 {
				l.FilterPolicy = bloom.FilterPolicy(bloomBits)
			}
		}), "filters on %s", name)
	}
	for _, c := range []*sstable.CompressionProfile{sstable.NoCompression, sstable.SnappyCompression, sstable.ZstdCompression} {
		add(levels(func(_ int, l *pebble.LevelOptions) {
			l.Compression = func() *sstable.CompressionProfile { return c }
		}), "%s", c.Name)
	}
	for _, n := range []int{4, 10, 20} {
		add(func(o *pebble.Options) { o.L0CompactionThreshold = n }, "L0 %d", n)
	}
	for _, n := range []int{1, 2, 3} {
		add(func(o *pebble.Options) { o.CompactionConcurrencyRange = func() (int, int) { return 1, n } }, "compactions %d", n)
	}
	return list
}

// splitSettings tells the settings that change something from the names of those
// that the store has anyway.
func splitSettings() (rows []setting, have []string) {
	now := settingsText(nil)
	for _, s := range settings() {
		if s.name == chosen || settingsText(s.tune) != now {
			rows = append(rows, s)
		} else {
			have = append(have, s.name)
		}
	}
	return rows, have
}

// settingsText is what the database would write of its options.
func settingsText(tune func(*pebble.Options)) string {
	s := &Store{opts: Options{tune: tune}}
	s.opts.EnsureDefaults()
	o := s.pebbleOptions()
	o.EnsureDefaults()
	return o.String()
}

// TestSettings keeps the benchmark from failing an hour into its run.
func TestSettings(t *testing.T) {
	rows, have := splitSettings()
	if len(rows)+len(have) != len(settings()) || rows[0].name != chosen {
		t.Errorf("rows %v, the store has %v", rows, have)
	}
	if len(have) != 6 {
		t.Errorf("of the settings that are tried, the store has %q: want one of each kind", have)
	}
	const n = 2500
	for _, shuffled := range []bool{false, true} {
		c, err := measureStore(Options{Dir: t.TempDir(), Origin: testOrigin, tune: rows[1].tune}, n, n, shuffled)
		if err != nil {
			t.Fatal(err)
		}
		if c.Disk < n*settingsBody {
			t.Errorf("%d files took %d bytes", n, c.Disk)
		}
	}
}

func TestScramble(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 1000, 1024, 1025} {
		s := newScramble(n, 1)
		seen := make([]bool, n)
		rising := uint64(0)
		for k := range n {
			v := s.at(k)
			if seen[v] {
				t.Fatalf("%d of %d comes twice", v, n)
			}
			seen[v] = true
			if k > 0 && v > s.at(k-1) {
				rising++
			}
		}
		if n >= 1000 && (rising < n*4/10 || rising > n*6/10) {
			t.Errorf("%d of %d steps rise", rising, n)
		}
	}
}

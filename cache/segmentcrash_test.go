package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestPowerCutWhileSegmentsCome has the power be cut at any moment while directories of several
// segments come together, and the files of some behind them. What is left says of each segment what of it
// is here, and counts that; the rest can be brought as ever.
func TestPowerCutWhileSegmentsCome(t *testing.T) {
	for range 4 / share {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { powerCut(t, seed) })
	}
}

func powerCut(t *testing.T, seed uint64) {
	m := &segmentModel{t: t, rng: rand.New(rand.NewPCG(seed, 0)), seed: seed, listed: map[string]Name{}, skipped: map[string]bool{}}
	m.draw(200, true)
	m.numbering()
	disk := vfs.NewCrashableMem()
	o := Options{Dir: "replica", Origin: "test", Segments: true, Reserve: -1, FlushEvery: -1, FS: disk}
	s, err := Open(o)
	m.must(err)
	done, begins := make(chan error, 1), make(chan bool)
	go func() {
		ctx := context.Background()
		for from := 0; from < len(m.made); from += 3 {
			some := m.made[from:min(from+3, len(m.made))]
			var dirs []SegmentDirs
			for _, made := range some {
				dirs = append(dirs, SegmentDirs{TableOf(made.tables.Dirs), made.tables.Counts})
			}
			begins <- true
			if err := s.IngestDirs(ctx, dirs...); err != nil {
				done <- err
				return
			}
			for _, made := range some {
				begins <- true
				if err := s.IngestFiles(ctx, TableOf(made.tables.Files), made.tables.Counts); err != nil {
					done <- err
					return
				}
			}
		}
		done <- nil
	}()
	var left []vfs.FS
	for going := true; going; {
		select {
		case err := <-done:
			m.must(err)
			going = false
		case <-begins:
			for range 4 / share { // moments of what has begun
				for range m.rng.IntN(1000) {
					runtime.Gosched()
				}
				left = append(left, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: m.rng.IntN(101), RNG: m.rng}))
			}
		}
	}
	left = append(left, disk.CrashClone(vfs.CrashCloneCfg{}))
	m.must(s.Close())
	seen := map[string]bool{}
	for _, o.FS = range left {
		seen[m.afterPowerCut(o)] = true
	}
	t.Logf("%d segments, %d moments, %d different", len(m.made), len(left), len(seen))
	if len(seen) < 2 {
		t.Error("all moments were the same")
	}
}

// afterPowerCut opens what is left, and returns what is here of segments.
func (m *segmentModel) afterPowerCut(o Options) string {
	s, err := Open(o)
	m.must(err)
	defer func() { m.must(s.Close()) }()
	var dirs, files uint64
	here := ""
	m.must(s.Segments(func(seg Segment) bool {
		dirs += seg.Names.Dirs
		if seg.HasFiles {
			files += seg.Names.Files
		}
		here += fmt.Sprint(seg.Names.First, seg.HasFiles, " ")
		return true
	}))
	if p := s.Progress(); p.Dirs != dirs || p.Files != files {
		m.t.Errorf("seed %d: %d directories and %d files are counted, and %d and %d are here", m.seed, p.Dirs, p.Files, dirs, files)
	}
	verifyClean(m.t, s)
	for _, made := range m.made {
		ingestNames(m.t, s, made.tables)
	}
	var want NameCounts
	for _, made := range m.made {
		want.Dirs += made.tables.Counts.Dirs
		want.Files += made.tables.Counts.Files
	}
	if p := s.Progress(); p.Dirs != want.Dirs || p.Files != want.Files {
		m.t.Errorf("seed %d: %d directories and %d files are counted, of %d and %d", m.seed, p.Dirs, p.Files, want.Dirs, want.Files)
	}
	verifyClean(m.t, s)
	return here
}

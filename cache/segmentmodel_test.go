package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// segmentModel makes segments of a listing that is drawn at random, has each fetched in a
// scratch store, and brings all into another store.
type segmentModel struct {
	t     *testing.T
	rng   *rand.Rand
	seed  uint64
	names []Name // as they are listed
	// listed are the names by what the listing said first.
	listed  map[string]Name
	skipped map[string]bool
	made    []madeSegment
}

type madeSegment struct {
	tables  *NameTables
	counts  ContentCounts
	outcome []byte
	parts   [][]byte
	blobs   map[Inode][]byte
}

const modelInline = 24

// component draws a name's part: mostly short, so that names meet, and sometimes odd.
func (m *segmentModel) component() string {
	switch m.rng.IntN(24) {
	case 0:
		return []string{"", ".", "..", "%%", "%%x", "%", "a\x00b", "-", "!", "%%.", "%%%_", "\xff"}[m.rng.IntN(12)]
	case 1:
		return strings.Repeat("l", 250) + strings.Repeat(string(rune('a'+m.rng.IntN(2))), m.rng.IntN(400))
	case 2:
		return "a" + string(rune(' '+m.rng.IntN(90)))
	}
	return string(rune('a' + m.rng.IntN(5)))
}

func (m *segmentModel) draw(n int, ordered bool) {
	for range n {
		depth := 1 + m.rng.IntN(4)
		if m.rng.IntN(40) == 0 {
			depth = m.rng.IntN(60)
		}
		var parts []string
		for range depth {
			parts = append(parts, m.component())
		}
		if m.rng.IntN(2) == 0 {
			parts = append(parts, fmt.Sprintf("f%03d", m.rng.IntN(n)))
		}
		name := Name{Origin: strings.Join(parts, "/"), Size: -1}
		if m.rng.IntN(200) == 0 {
			name.Origin = strings.Repeat("x/", MaxName)
		}
		if m.rng.IntN(3) > 0 {
			name.Size = int64(m.rng.IntN(2 * modelInline))
			name.ModTime = int64(m.rng.IntN(2) * 77)
		}
		if m.rng.IntN(3) == 0 {
			name.ETag = fmt.Sprintf(`"%d"`, m.rng.IntN(100))
		}
		m.names = append(m.names, name)
	}
	if ordered {
		slices.SortStableFunc(m.names, func(a, b Name) int { return strings.Compare(a.Origin, b.Origin) })
	}
	for _, n := range m.names {
		if _, ok := m.listed[n.Origin]; !ok {
			m.listed[n.Origin] = n
		}
	}
}

func (m *segmentModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("seed %d: %v", m.seed, err)
	}
}

// fate is what is to become of a file: it depends on its name alone.
type fate struct {
	gone, failed bool
	content      []byte
	modTime      int64
	etag         string
}

func (m *segmentModel) fate(origin string) fate {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", m.seed, origin)
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	n := m.listed[origin]
	f := fate{modTime: n.ModTime, etag: n.ETag}
	size := int(n.Size)
	switch r.IntN(10) {
	case 0:
		f.gone = true
	case 1:
		f.failed = true
	case 2: // another than was listed
		size, f.modTime, f.etag = r.IntN(2*modelInline), 99, `"other"`
	}
	if size < 0 {
		size = r.IntN(2 * modelInline)
	}
	f.content = make([]byte, size)
	for k := range f.content {
		f.content[k] = byte('a' + r.IntN(26))
	}
	return f
}

// numbering makes the segments, with a successor at each cut that has to make the same.
func (m *segmentModel) numbering() {
	n := mustNumbering(m.t, nil)
	m.skips(n)
	for at := 0; at < len(m.names); {
		cut := at + 1 + m.rng.IntN(len(m.names)/4+1)
		batch := m.names[at:min(cut, len(m.names))]
		at += len(batch)
		successor := mustNumbering(m.t, n.State())
		m.skips(successor)
		tables := m.segment(n, batch)
		again := m.segment(successor, batch)
		if !bytes.Equal(tables.Dirs, again.Dirs) || !bytes.Equal(tables.Files, again.Files) || !bytes.Equal(tables.Context, again.Context) || !bytes.Equal(n.State(), successor.State()) {
			m.t.Fatalf("seed %d: a successor makes other tables of segment %d", m.seed, len(m.made))
		}
		if m.rng.IntN(2) == 0 {
			n = successor
		}
		m.made = append(m.made, madeSegment{tables: tables, blobs: map[Inode][]byte{}})
	}
}

func (m *segmentModel) skips(n *Numbering) {
	n.Skip = func(name string, err error) {
		if !errors.Is(err, ErrName) {
			m.t.Errorf("%q is skipped: %v", name, err)
		}
		m.skipped[name] = true
	}
}

func (m *segmentModel) segment(n *Numbering, batch []Name) *NameTables {
	for len(batch) > 0 {
		piece := batch[:1+m.rng.IntN(len(batch))]
		taken, err := n.Add(piece)
		batch = batch[taken:]
		if errors.Is(err, ErrUnordered) {
			s := openSegments(m.t)
			for _, made := range m.made {
				ingestNames(m.t, s, made.tables)
			}
			err = n.Unordered(s)
		}
		m.must(err)
	}
	tables, err := n.Finish()
	m.must(err)
	return tables
}

// fetch fetches a segment's files in a scratch store and exports it.
func (m *segmentModel) fetch(seg *madeSegment) {
	ctx := context.Background()
	c := seg.tables.Counts
	s, err := OpenScratch(ctx, Options{Dir: filepath.Join(m.t.TempDir(), "scratch"), Reserve: -1, InlineLimit: modelInline, FS: vfs.NewMem()}, TableOf(seg.tables.Dirs), TableOf(seg.tables.Files), TableOf(seg.tables.Context), c)
	m.must(err)
	defer func() { m.must(s.Close()) }()
	settle := func(page *Page, last bool) {
		m.must(page.Load())
		for k := range page.Len() {
			if m.rng.IntN(20) == 0 {
				m.must(page.Commit())
				if m.rng.IntN(20) == 0 {
					s.Shrink()
				}
			}
			if page.Open(k) {
				m.settle(s, page, k, last)
			}
		}
		m.must(page.Commit())
		m.must(page.Close())
	}
	again := 0 // now and then it is begun again, and nothing may come twice
	for from := c.First; from < c.End; {
		page, next, err := s.Pending(from, c.End, 1+m.rng.IntN(50))
		m.must(err)
		if from = next; page == nil {
			continue
		}
		settle(page, false)
		if m.rng.IntN(20) == 0 && again < 3 {
			again++
			from = c.First
		}
	}
	for from := Inode(0); ; {
		page, next, err := s.Failed(from, 1+m.rng.IntN(50))
		m.must(err)
		if page == nil {
			break
		}
		from = next
		settle(page, true)
	}
	seg.counts, err = s.Export(ctx, ExportTo{
		Table: func(k int, t Table, _ []byte) error {
			b := make([]byte, t.Size)
			_, err := t.ReadAt(b, 0)
			if k == 0 {
				seg.outcome = b
			} else {
				seg.parts = append(seg.parts, b)
			}
			return err
		},
		Blob: func(b ExportedBlob) error {
			f, err := b.Open()
			if err != nil {
				return err
			}
			defer f.Close()
			seg.blobs[b.Inode], err = io.ReadAll(io.NewSectionReader(f, 0, b.Size))
			return err
		},
	})
	m.must(err)
}

// settle decides what becomes of a file: some come only when they are asked for once more.
func (m *segmentModel) settle(s *Store, page *Page, k int, last bool) {
	f := m.fate(page.Name(k))
	switch {
	case !last && m.rng.IntN(8) == 0:
		page.Fail(k, MayPass, errors.New("not yet"))
	case f.gone:
		m.must(page.Gone(k))
	case f.failed:
		page.Fail(k, Final, errors.New("no"))
	case len(f.content) > modelInline:
		w, err := s.NewBlob()
		m.must(err)
		_, err = w.Write(f.content)
		m.must(err)
		m.must(page.PutBlob(k, w, f.modTime, []byte(f.etag)))
	default:
		m.must(page.Put(k, f.content, f.modTime, []byte(f.etag)))
	}
}

// bring brings all into a store in an order that is drawn, with takings back.
func (m *segmentModel) bring(dir string) *Store {
	ctx := context.Background()
	o := Options{Dir: dir, Origin: "test", Segments: true, Reserve: -1, FlushEvery: -1, FS: vfs.NewMem()}
	s, err := Open(o)
	m.must(err)
	stages := make([]int, len(m.made)) // 0: nothing, 1: directories, 2: files, 3: outcome, then parts
	for left := true; left; {
		left = m.bringDirs(s, stages)
		for k := range stages {
			seg := &m.made[k]
			first := seg.tables.Counts.First
			left = left || stages[k] < 3+len(seg.parts)
			switch {
			case m.rng.IntN(2) == 0:
				continue
			case m.rng.IntN(20) == 0:
				m.must(s.Close())
				s, err = Open(o)
				m.must(err)
				continue
			case stages[k] > 3 && m.rng.IntN(3) == 0:
				stages[k], left = stages[k]-1, true
				_, err := s.TakeBack(ctx, first, stages[k]-2)
				m.must(err)
				continue
			case stages[k] == 3+len(seg.parts):
				continue
			case stages[k] == 0:
				err := s.IngestFiles(ctx, TableOf(seg.tables.Files), seg.tables.Counts)
				if has := seg.tables.Counts.Dirs > 0; has != errors.Is(err, ErrNotFound) || !has && err != nil {
					m.t.Fatalf("seed %d: files before %d directories: %v", m.seed, seg.tables.Counts.Dirs, err)
				}
				if err != nil {
					continue
				}
				stages[k]++
			case stages[k] == 1:
				m.must(s.IngestFiles(ctx, TableOf(seg.tables.Files), seg.tables.Counts))
			case stages[k] == 2:
				m.must(s.IngestOutcome(ctx, first, TableOf(seg.outcome), seg.counts))
			default:
				m.must(s.IngestContents(ctx, first, stages[k]-2, TableOf(seg.parts[stages[k]-3])))
			}
			stages[k]++
		}
	}
	m.must(s.EndListing())
	return s
}

// bringDirs brings the directories of some segments at once, also of such whose are here. The counts
// are those of what is here.
func (m *segmentModel) bringDirs(s *Store, stages []int) (some bool) {
	var all []SegmentDirs
	for k, made := range m.made {
		if m.rng.IntN(4) == 0 {
			all = append(all, SegmentDirs{TableOf(made.tables.Dirs), made.tables.Counts})
			some = some || stages[k] == 0
			stages[k] = max(stages[k], 1)
		}
	}
	m.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	m.must(s.IngestDirs(context.Background(), all...))
	var dirs, files uint64
	for k, stage := range stages {
		c := &m.made[k].tables.Counts
		if stage > 0 {
			dirs += c.Dirs
		}
		if stage > 1 {
			files += c.Files
		}
		if seg, err := s.SegmentOf(c.First); errors.Is(err, ErrNotFound) != (stage == 0) || seg.HasFiles != (stage > 1) {
			m.t.Fatalf("seed %d: of segment %d at stage %d is here: %+v, %v", m.seed, k, stage, seg, err)
		}
	}
	if p := s.Progress(); p.Dirs != dirs || p.Files != files {
		m.t.Fatalf("seed %d: %d directories and %d files are counted, and not %d and %d", m.seed, p.Dirs, p.Files, dirs, files)
	}
	return some
}

// shown is what a store shows of a file.
type shown struct {
	path    string
	state   State
	content string
	modTime int64
	etag    string
}

func (sh shown) String() string {
	return fmt.Sprintf("%.80q: state %d, %q, %d, %q", sh.path, sh.state, sh.content, sh.modTime, sh.etag)
}

// show reads all that a store shows, by the origin's names.
func (m *segmentModel) show(s *Store, missing func(Inode) error) map[string]shown {
	all := map[string]shown{}
	var walk func(dir Inode, path string)
	walk = func(dir Inode, path string) {
		var dirs []DirEntry
		m.must(s.ReadNames(dir, "", func(name []byte, e Entry, err error) bool {
			m.must(err)
			if e.Kind == Dir {
				dirs = append(dirs, DirEntry{Inode: e.Inode, Name: slices.Clone(name)})
				return true
			}
			origin, err := s.OriginName(dir, string(name))
			m.must(err)
			sh := shown{path: path + "/" + string(name), state: e.State, modTime: e.ModTime, etag: e.ETag}
			if e.Here() {
				content := make([]byte, e.Size)
				n, err := s.ReadAt(e.Inode, content, 0)
				if _, ok := errors.AsType[*BlobMissingError](err); ok {
					m.must(missing(e.Inode))
					n, err = s.ReadAt(e.Inode, content, 0)
				}
				m.must(err)
				if int64(n) != e.Size {
					m.t.Fatalf("%q has %d bytes of %d", origin, n, e.Size)
				}
				sh.content = string(content)
			}
			if _, twice := all[origin]; twice {
				m.t.Fatalf("seed %d: %q is shown twice", m.seed, origin)
			}
			all[origin] = sh
			return true
		}))
		listed := 0
		m.must(s.ReadDir(dir, 0, func(de DirEntry) bool {
			listed++
			e, err := s.Get(de.Inode)
			m.must(err)
			if e.Inode != de.Inode || e.Kind != de.Kind {
				m.t.Fatalf("%q is %+v", de.Name, e)
			}
			return true
		}))
		for _, d := range dirs {
			walk(d.Inode, path+"/"+string(d.Name))
		}
	}
	walk(RootInode, "")
	return all
}

func (m *segmentModel) check(s *Store) {
	blobs := map[Inode][]byte{}
	for _, seg := range m.made {
		maps.Copy(blobs, seg.blobs)
	}
	all := m.show(s, func(ino Inode) error {
		wrong := slices.Clone(blobs[ino])
		wrong[m.rng.IntN(len(wrong))] ^= 1
		if err := s.PutBlob(ino, bytes.NewReader(wrong)); !errors.Is(err, ErrTable) {
			m.t.Errorf("a damaged blob: %v", err)
		}
		return s.PutBlob(ino, bytes.NewReader(blobs[ino]))
	})
	verifyClean(m.t, s)
	for origin := range m.listed {
		got, ok := all[origin]
		if m.skipped[origin] {
			if ok {
				m.t.Errorf("seed %d: %q is shown and was skipped", m.seed, origin)
			}
			continue
		}
		delete(all, origin)
		f := m.fate(origin)
		want := shown{state: Inline, content: string(f.content), etag: f.etag, modTime: f.modTime}
		switch {
		case f.gone:
			want = shown{state: Gone}
		case f.failed:
			n := m.listed[origin]
			want = shown{state: Pending, etag: n.ETag, modTime: n.ModTime}
		case len(f.content) > modelInline:
			want.state = Blob
		}
		want.path = got.path
		if !ok || got != want {
			m.t.Errorf("seed %d: %.80q is %v, not %v", m.seed, origin, got, want)
		}
	}
	for origin := range all {
		m.t.Errorf("seed %d: %q is shown and was not listed", m.seed, origin)
	}
}

// plain is a store into which the same was listed name by name.
func (m *segmentModel) plain() map[string]shown {
	s, err := Open(Options{Dir: filepath.Join(m.t.TempDir(), "plain"), Origin: "test", Reserve: -1, FlushEvery: -1, FS: vfs.NewMem()})
	m.must(err)
	defer s.Close()
	pl, err := s.NewPlanner()
	m.must(err)
	for k := range m.names {
		page, err := pl.Plan(m.names[k : k+1])
		m.must(err)
		m.must(page.Commit())
		m.must(page.Close())
	}
	return m.show(s, nil)
}

func runSegmentModel(t *testing.T, seed uint64) {
	m := &segmentModel{t: t, rng: rand.New(rand.NewPCG(seed, 0)), seed: seed, listed: map[string]Name{}, skipped: map[string]bool{}}
	ordered := seed%3 > 0
	m.draw(20+m.rng.IntN(300), ordered)
	m.numbering()
	for k := range m.made {
		m.fetch(&m.made[k])
	}
	s := m.bring(filepath.Join(t.TempDir(), "replica"))
	defer func() { m.must(s.Close()) }()
	m.check(s)
	if !ordered {
		return
	}
	// In order, each name is shown where a plain store shows it.
	got := m.show(s, nil)
	for origin, want := range m.plain() {
		if got[origin].path != want.path {
			t.Errorf("seed %d: %q is shown as %q, in a plain store as %q", seed, origin, got[origin].path, want.path)
		}
	}
}

func TestSegmentModel(t *testing.T) {
	seeds := uint64(30 / share)
	if testing.Short() {
		seeds = min(seeds, 6)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runSegmentModel(t, seed) })
	}
}

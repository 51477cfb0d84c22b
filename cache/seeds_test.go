package cache

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	damageSeeds = flag.Int("damage", 20, "how many seeds TestDamage tries")
	damageSeed  = flag.Uint64("damage.seed", 0, "the first of them; 0: a random one")
)

// damageLimit is the inline limit of the stores that are damaged, in bytes.
const damageLimit = 200

// smallBlocks makes a store of few files one of many tables and blocks. A damaged block
// takes long by its length squared, as the database looks which bit was flipped.
func smallBlocks(o *pebble.Options) {
	o.MemTableSize = 256 << 10
	o.DisableAutomaticCompactions = true // they come at any moment, and a seed is to replay
	for i := range o.Levels {
		o.Levels[i].BlockSize, o.Levels[i].IndexBlockSize = 700, 300
	}
	for i := range o.TargetFileSizes {
		o.TargetFileSizes[i] = 12 << 10
	}
}

// lister is an origin: what it lists, and what comes of each name.
type lister struct {
	pages   [][]string
	fetched map[string]int
}

// contentOf is the content of a name, and whether it is gone or does not come.
func contentOf(name string) (body []byte, gone, fails bool) {
	rng := rand.New(rand.NewPCG(7, uint64(len(name))))
	for _, c := range []byte(name) {
		rng = rand.New(rand.NewPCG(rng.Uint64(), uint64(c)))
	}
	switch rng.IntN(40) {
	case 0:
		return nil, true, false
	case 1:
		return nil, false, true
	}
	n := rng.IntN(damageLimit)
	if rng.IntN(12) == 0 {
		n = damageLimit + 1 + rng.IntN(3000)
	}
	body = []byte(name)
	for len(body) < n {
		body = append(body, byte(rng.Uint64()))
	}
	return body, false, false
}

func newLister(rng *rand.Rand) *lister {
	l := &lister{fetched: map[string]int{}}
	shuffled := rng.IntN(2) == 0
	var all []string
	for i := range 500 {
		switch {
		case i%9 == 0:
			all = append(all, fmt.Sprintf("d%d/e%d/%04d", i/200, i%4, i))
		case i%4 == 0:
			all = append(all, fmt.Sprintf("d%d/%04d", i/100, i))
		case i%50 == 7:
			all = append(all, fmt.Sprintf("a%03d//%%%%x", i))
		default:
			all = append(all, fmt.Sprintf("%04d", i))
		}
	}
	if slices.Sort(all); shuffled {
		rng.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	}
	for page := range slices.Chunk(all, 25) {
		l.pages = append(l.pages, page)
	}
	return l
}

// decide does with the open files of a page what a mirror does, and commits it.
func (l *lister) decide(t *testing.T, s *Store, p *Page) {
	t.Helper()
	for k := range p.Len() {
		if !p.Open(k) {
			continue
		}
		body, gone, fails := contentOf(p.Name(k))
		var err error
		switch {
		case gone:
			err = p.Gone(k)
		case fails:
			p.Fail(k, MayPass, errors.New("does not come"))
		case len(body) > damageLimit:
			err = p.PutBlob(k, blob(t, s, string(body)), 7, []byte("e"))
		default:
			err = p.Put(k, body, 7, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		l.fetched[p.Name(k)]++
	}
	commit(t, p)
}

// mirror does what a mirror does until page end of the listing.
func (l *lister) mirror(t *testing.T, s *Store, end int, after func()) {
	t.Helper()
	start := s.Progress()
	for from := start.Settled; from < start.Next; {
		p, next, err := s.Pending(from, start.Next, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if p != nil {
			l.decide(t, s, p)
		}
		if err := s.Advance(Mark{Settled: next}); err != nil {
			t.Fatal(err)
		}
		from = next
	}
	if !start.ListingComplete {
		pl, err := s.NewPlanner()
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		if start.Marker != "" {
			if _, err := fmt.Sscan(start.Marker, &at); err != nil {
				t.Fatal(err)
			}
		}
		for i := at; i < end; i++ {
			p, err := pl.Plan(names(l.pages[i]...))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Load(); err != nil {
				t.Fatal(err)
			}
			l.decide(t, s, p)
			m := Mark{Listing: true, Marker: fmt.Sprint(i + 1), ListingComplete: i+1 == len(l.pages), Listed: p.End(), Settled: p.End()}
			if err := s.Advance(m); err != nil {
				t.Fatal(err)
			}
			after()
		}
	}
	for from := Inode(0); ; {
		p, next, err := s.Failed(from, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			return
		}
		l.decide(t, s, p)
		from = next
	}
}

// victim is a store that was made to be damaged.
type victim struct {
	*lister
	o       Options
	before  Progress
	numbers map[string]Inode // of every name
	given   map[Inode]bool   // every number that is a name's, directories' too
}

func newVictim(t *testing.T, rng *rand.Rand) *victim {
	v := &victim{lister: newLister(rng), numbers: map[string]Inode{}, given: map[Inode]bool{}}
	now := time.Unix(1_800_000_000, 0) // the seed is to replay, blobs' names too
	v.o = Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1, InlineLimit: damageLimit, tune: smallBlocks, Now: func() time.Time { now = now.Add(time.Second); return now }}
	s := open(t, v.o)
	end := len(v.pages)
	if rng.IntN(3) == 0 {
		end = 1 + rng.IntN(end-1)
	}
	v.mirror(t, s, end, func() {
		if rng.IntN(4) == 0 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(12) == 0 {
			if err := s.db.Compact(t.Context(), []byte{0}, []byte{255}, false); err != nil {
				t.Fatal(err)
			}
		}
	})
	verify(t, s)
	v.before = s.Progress()
	v.walk(t, s, RootInode, func(name string, e Entry) {
		v.numbers[name] = e.Inode
		v.given[e.Inode] = true
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return v
}

// walk calls fn for every file, by its origin's name, and directory.
func (v *victim) walk(t *testing.T, s *Store, dir Inode, fn func(name string, e Entry)) {
	t.Helper()
	if err := s.ReadDirPlus(dir, 0, func(de DirEntry, e Entry, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == Dir {
			fn("", e)
			v.walk(t, s, e.Inode, fn)
			return true
		}
		name, err := s.OriginName(dir, string(de.Name))
		if err != nil {
			t.Fatal(err)
		}
		fn(name, e)
		return true
	}); err != nil {
		t.Fatal(err)
	}
}

// files are all files of the store, by kind.
func (v *victim) files(t *testing.T, fs vfs.FS) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	var walk func(dir string)
	walk = func(dir string) {
		list, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		for _, name := range list {
			path := fs.PathJoin(dir, name)
			if info, err := fs.Stat(path); err != nil {
				t.Fatal(err)
			} else if info.IsDir() {
				walk(path)
				continue
			}
			kind, _, _ := strings.Cut(name, "-")
			switch {
			case strings.HasSuffix(name, tableSuffix):
				kind = "table"
			case strings.Contains(dir, "/blobs"):
				kind = "blob"
			case strings.HasPrefix(name, "marker"):
				kind = "marker"
			}
			found[kind] = append(found[kind], path)
		}
	}
	walk("/store")
	return found
}

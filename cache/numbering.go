package cache

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Numbering gives the names of a listing their numbers and directories, and makes the name
// tables of segments of them. It begins in the hope that the listing ascends: then the names
// of a directory lie together, and the directories that the last name stands in are all
// that is to be known of those before. Else it needs a store with all of them; see
// Unordered. One goroutine uses it.
//
//	n := …NewNumbering             from the State of the segment before
//	for names: n.Add(names); if n.Names() ≥ … { n.Finish(), then State() }
//
// It keeps the strings that it is given until Finish.
type Numbering struct {
	// Skip, where it is set, is told of every name that is left out.
	Skip func(name string, err error)

	state     numberingState
	unordered *unorderedNumbering // what does the work then

	files  []gathered
	groups []group
	// bytes is what the names of the segment take, about.
	bytes     int64
	skipped   uint64
	first     string // the first name of the segment, of those that were left out too
	named     bool   // there was one
	promised  uint64 // files of which the listing says the length
	order     []int32
	buf       []byte
	component []string
}

// ErrUnordered says that a name comes that is not higher than the one before, so that the
// numbering needs a store with all names; see Numbering.Unordered.
var ErrUnordered = errors.New("the listing is out of order")

// gathered is a file of the segment.
type gathered struct {
	name    string // as it is shown
	etag    string
	size    int64
	modTime int64
	next    int32 // the next one of its directory, 0: none
}

// group is a directory that names of the segment stand in.
type group struct {
	ino    Inode
	parent int32 // its place in groups
	name   string
	isNew  bool
	// files and dirs are chains, in the order in which they came: through gathered.next,
	// and nextDir. Places are one higher, so that 0 is none.
	files, lastFile, nFiles int32
	dirs, lastDir, nDirs    int32
	nextDir                 int32
	// filesLoose, dirsLoose: their names do not ascend.
	filesLoose, dirsLoose bool
	firstDir, firstFile   Inode
}

// gatheredOverhead is what a file takes beside its strings, in bytes.
const gatheredOverhead = 64

// NewNumbering returns a numbering that goes on from the state of the segment before, or
// begins with nil. made is the time that the directories of a new one have, in seconds since
// 1970; the state keeps it. The error is ErrCorrupt.
func NewNumbering(state []byte, made int64) (*Numbering, error) {
	n := &Numbering{state: numberingState{made: made, next: FirstInode}}
	if state != nil {
		s, err := decodeNumberingState(state)
		if err != nil {
			return nil, err
		}
		n.state = s
	}
	n.begin()
	return n, nil
}

// State is what another numbering goes on from: as it was after the last Finish.
func (n *Numbering) State() []byte { return n.state.encode() }

// Names is how many names of files were gathered since the last Finish, and Bytes about what
// they take in memory.
func (n *Numbering) Names() int {
	if n.unordered != nil {
		return n.unordered.names()
	}
	return len(n.files)
}

// Bytes is about what the gathered names take in memory.
func (n *Numbering) Bytes() int64 {
	if n.unordered != nil {
		return n.unordered.bytes
	}
	return n.bytes
}

// begin begins a segment.
func (n *Numbering) begin() {
	clear(n.files)
	clear(n.groups)
	n.files, n.groups = n.files[:0], append(n.groups[:0], group{ino: RootInode})
	n.bytes, n.skipped, n.promised, n.named = 0, 0, 0, false
	n.state.openAgain()
}

// Add gathers names, and returns how many of them it took: all but for an error. With
// ErrUnordered, call Unordered, and Add with the rest. Names that no path can stand for are
// counted, and told to Skip.
func (n *Numbering) Add(names []Name) (taken int, err error) {
	if n.unordered != nil {
		return n.unordered.add(names)
	}
	if n.state.unordered {
		return 0, ErrUnordered
	}
	for k := range names {
		if err := n.add(&names[k]); err != nil {
			return k, err
		}
	}
	return len(names), nil
}

func (n *Numbering) add(name *Name) error {
	s := &n.state
	if s.begun {
		switch c := strings.Compare(s.last, name.Origin); {
		case c == 0:
			return nil // a page may begin with the last name of the one before
		case c > 0:
			return fmt.Errorf("%w: %.200q comes after %.200q", ErrUnordered, name.Origin, s.last)
		}
	}
	s.moveTo(name.Origin)
	if !n.named {
		n.first, n.named = name.Origin, true
	}
	parent, shown, err := n.resolve(name.Origin)
	if errors.Is(err, ErrName) {
		n.skipped++
		if n.Skip != nil {
			n.Skip(name.Origin, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	s.files = append(s.files, len(name.Origin))
	f := gathered{name: shown, size: name.Size, modTime: name.ModTime}
	if len(name.ETag) <= maxETag {
		f.etag = name.ETag
	}
	if f.size >= 0 {
		n.promised++
	}
	n.bytes += int64(len(name.Origin)+len(f.etag)) + gatheredOverhead
	n.files = append(n.files, f)
	at, g := int32(len(n.files)), &n.groups[parent]
	if g.nFiles++; g.nFiles == 1 {
		g.files = at
	} else {
		before := &n.files[g.lastFile-1]
		before.next = at
		g.filesLoose = g.filesLoose || before.name >= shown
	}
	g.lastFile = at
	return nil
}

// resolve returns the group of the directory that a name stands in, made where need be, and
// what the name is shown as there.
func (n *Numbering) resolve(name string) (parent int32, shown string, err error) {
	if len(name) > MaxName {
		return 0, "", fmt.Errorf("%w: %d bytes long", ErrName, len(name))
	}
	s := &n.state
	at := s.dir() // the place in s.dirs of the directory that the path is walked from
	begin := 0
	if at >= 0 {
		if begin = s.dirs[at].end; s.dirs[at].skip {
			return 0, "", fmt.Errorf("%w: a file stands where the directory %q should be", ErrName, name[:begin-1])
		}
	}
	dirEnd := strings.LastIndexByte(name, '/') + 1
	for begin < dirEnd {
		end := begin + strings.IndexByte(name[begin:], '/')
		at, shown = n.levels(at, name[begin:end], begin)
		skip := false
		if s.isFile(end) {
			if shown = OtherForm(shown); shown == "" {
				skip = true
			}
		}
		at = n.open(at, openDir{end: end + 1, name: shown, skip: skip})
		if skip {
			return 0, "", fmt.Errorf("%w: a file stands where the directory %q should be", ErrName, name[:end])
		}
		begin = end + 1
	}
	at, shown = n.levels(at, name[begin:], begin)
	return n.group(at), shown, nil
}

// levels opens the directories that a component needs which is too long for one, and returns
// the last of them, and what is shown there. The component begins at begin in its name.
func (n *Numbering) levels(at int, c string, begin int) (last int, shown string) {
	if plain(c) {
		return at, c
	}
	n.component = appendComponent(n.component[:0], c)
	for k := 0; k+1 < len(n.component); k++ {
		_, rest := escapeSome(c)
		begin += len(c) - len(rest)
		c = rest
		at = n.open(at, openDir{end: begin, name: n.component[k], level: true})
	}
	return at, n.component[len(n.component)-1]
}

// open returns the place of a directory in that at parent, which is opened where it is not.
func (n *Numbering) open(parent int, dir openDir) int {
	s := &n.state
	for k := parent + 1; k < len(s.dirs); k++ {
		if d := &s.dirs[k]; d.parent == parent && d.end == dir.end && d.level == dir.level {
			return k
		}
	}
	dir.parent = parent
	dir.name = strings.Clone(dir.name) // it outlives its segment
	dir.group = -1
	if !dir.skip {
		up := n.group(parent)
		n.groups = append(n.groups, group{parent: up, name: dir.name, isNew: true})
		dir.group = int32(len(n.groups) - 1)
		g := &n.groups[up]
		if g.nDirs++; g.nDirs == 1 {
			g.dirs = dir.group
		} else {
			before := &n.groups[g.lastDir]
			before.nextDir = dir.group
			g.dirsLoose = g.dirsLoose || before.name >= dir.name
		}
		g.lastDir = dir.group
		n.bytes += int64(len(dir.name)) + 2*gatheredOverhead
	}
	s.dirs = append(s.dirs, dir)
	return len(s.dirs) - 1
}

// group returns the group of the open directory at at, -1 for the root, and makes it and
// those above it where the segment has none yet.
func (n *Numbering) group(at int) int32 {
	if at < 0 {
		return 0
	}
	if g := n.state.dirs[at].group; g >= 0 {
		return g
	}
	up := n.group(n.state.dirs[at].parent)
	d := &n.state.dirs[at]
	n.groups = append(n.groups, group{ino: d.ino, parent: up, name: d.name})
	d.group = int32(len(n.groups) - 1)
	return d.group
}

// number gives the segment's directories and files their numbers: directories first, all of
// one directory in a row, and each after the one that it stands in.
func (n *Numbering) number() (counts NameCounts) {
	next := n.state.next
	counts.First = next
	for k := range n.groups {
		g := &n.groups[k]
		if g.dirsLoose {
			n.sortDirs(g)
		}
		g.firstDir = next
		for d := g.dirs; d != 0; d = n.groups[d].nextDir {
			n.groups[d].ino = next
			next++
		}
	}
	counts.Dirs = uint64(next - counts.First)
	for k := range n.groups {
		g := &n.groups[k]
		if g.filesLoose {
			n.sortFiles(g)
		}
		g.firstFile = next
		next += Inode(g.nFiles)
	}
	counts.Files, counts.Skipped = uint64(len(n.files)), n.skipped
	counts.Spare = next
	counts.End = next + Inode(spares(n.promised, next > counts.First))
	return counts
}

// spares is how many spare numbers a segment has: one for each file that may turn out to be
// another than was listed; and one where it is empty, so that it begins where no other does.
func spares(promised uint64, names bool) uint64 {
	if !names {
		return 1
	}
	return promised
}

func (n *Numbering) sortDirs(g *group) {
	places := make([]int32, 0, g.nDirs)
	for d := g.dirs; d != 0; d = n.groups[d].nextDir {
		places = append(places, d)
	}
	slices.SortFunc(places, func(a, b int32) int { return strings.Compare(n.groups[a].name, n.groups[b].name) })
	at := &g.dirs
	for _, d := range places {
		*at, at = d, &n.groups[d].nextDir
	}
	*at = 0
}

func (n *Numbering) sortFiles(g *group) {
	places := make([]int32, 0, g.nFiles)
	for f := g.files; f != 0; f = n.files[f-1].next {
		places = append(places, f)
	}
	slices.SortFunc(places, func(a, b int32) int { return strings.Compare(n.files[a-1].name, n.files[b-1].name) })
	at := &g.files
	for _, f := range places {
		*at, at = f, &n.files[f-1].next
	}
	*at = 0
}

package cache

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Planner turns the names of a listing into pages. It makes the directories
// that the names stand in, and commits them before it hands out a page, so that
// no entry is ever without its directory. One goroutine uses it.
type Planner struct {
	s *Store
	// known has the directories that names stood in lately.
	known *lru.Cache[dirKey, *knownDir]
	root  knownDir
	// lastDir is the origin's name of the directory of the name before, and
	// lastParent its number: the listing's next name is mostly beside it.
	lastDir    string
	lastParent Inode
	path       []string
	listed     listedNames
	// scattered is how many names of the last Sort are still to be planned.
	scattered int
	// refresh is the one whose names it gets, or nil.
	refresh *Refresh
	// made are the directories that are not committed yet, in the order of their
	// numbers, and madeBytes what they take.
	made      []madeDir
	madeIndex map[dirKey]Inode
	madeBytes int
	// Skip, where it is set, is told of every name that is left out.
	Skip func(name string, err error)
	// LeaveBelow, where it is set, is for a caller who has pages from Pending and
	// Failed at work: files that are in the store with a number below it are theirs,
	// and never Open in a page of the planner.
	LeaveBelow Inode
}

type dirKey struct {
	parent Inode
	name   string
}

// knownDir is a directory that the planner knows.
type knownDir struct {
	inode Inode
	// noFiles: the planner made it, and has put no file there. So it holds other
	// directories, and files that readers asked for; both are among the conflicts.
	noFiles bool
}

type madeDir struct {
	dirKey
	inode Inode
	// noFile: no file has its name, but for one that a reader asked for.
	noFile bool
}

const (
	// plannerDirs bounds the directories that a planner remembers, in entries; with
	// names of MaxComponent bytes they take 6 MiB.
	plannerDirs = 16 << 10
	// maxMade bounds the directories of one commit, in bytes that they take here and
	// in its batch. One name can make thousands of directories and a page millions;
	// whoever else commits waits for some thousand of them.
	maxMade = 2 << 20
	// madeOverhead is what a directory takes beside its name, which stands in its
	// entry, its run, and here.
	madeOverhead = 256
)

// NewPlanner returns a planner for a listing from the checkpoint on. It needs no
// Close.
func (s *Store) NewPlanner() (*Planner, error) {
	known, err := lru.New[dirKey, *knownDir](plannerDirs)
	if err != nil {
		return nil, err
	}
	s.commit.Lock()
	s.commit.careful = s.maybeHereLocked()
	s.commit.Unlock()
	pl := &Planner{s: s, known: known, madeIndex: map[dirKey]Inode{}}
	p := s.progress.Load()
	fresh := p.Listed == FirstInode && p.Files == p.Asked && !p.ListingComplete
	pl.root = knownDir{RootInode, fresh}
	pl.listed.init(fresh)
	if !pl.listed.off {
		if err := s.loadConflicts(); err != nil { // to add to them
			return nil, err
		}
	}
	return pl, nil
}

// Name is one name of a listing, with what the listing says of the file.
type Name struct {
	Origin  string
	Size    int64  // in bytes, -1: not known
	ModTime int64  // in seconds since 1970, 0: not known
	ETag    string // its validator, "": not known
}

// Plan returns the page of those names, at most MaxPage, in their order or, where that
// is none, in the store's; see sortSlots. Names that no path can stand for are left out,
// and told to Skip; it is for the caller to count them in a Mark.
func (pl *Planner) Plan(names []Name) (*Page, error) {
	if len(names) > MaxPage {
		return nil, fmt.Errorf("plan %d names: over %d", len(names), MaxPage)
	}
	page := &Page{s: pl.s, fresh: true, refresh: pl.refresh, leaveBelow: pl.LeaveBelow, slots: make([]slot, 0, len(names))}
	if pl.refresh != nil {
		page.event = onRelisted
	}
	skipped, err := pl.place(page, names)
	for errors.Is(err, errTakenSince) { // the file is there now, so each time one less
		pl.startAgain()
		skipped, err = pl.place(page, names)
	}
	if err != nil {
		return nil, err
	}
	for _, n := range skipped {
		if pl.Skip != nil {
			pl.Skip(n.name, n.err)
		}
	}
	if page.sorted = pl.sortPage(page.slots, len(names)); page.sorted && pl.refresh == nil {
		if err := pl.s.loadConflicts(); err != nil {
			return nil, err
		}
	}
	first, err := pl.s.reserve(len(page.slots))
	if err != nil {
		return nil, err
	}
	page.number(first)
	pl.s.commit.Lock()
	page.careful = pl.s.commit.careful > 0 || pl.refresh != nil
	pl.s.commit.Unlock()
	page.dropRepeated()
	page.vouched = pl.listed.add(page, &pl.s.conflicts)
	return page, nil
}

// skippedName is a name that no path can stand for.
type skippedName struct {
	name string
	err  error
}

// place gives each name its slot, and makes the directories that they stand in.
func (pl *Planner) place(page *Page, names []Name) (skipped []skippedName, err error) {
	page.slots = page.slots[:0]
	for i := range names {
		n := &names[i]
		parent, name, err := pl.resolve(n.Origin)
		if errors.Is(err, ErrName) {
			skipped = append(skipped, skippedName{n.Origin, err})
			continue
		}
		if err != nil {
			return nil, err
		}
		s := slot{origin: n.Origin, name: name, parent: parent, size: n.Size, modTime: n.ModTime}
		if len(n.ETag) <= maxETag {
			s.etag = n.ETag
		}
		page.slots = append(page.slots, s)
	}
	return skipped, pl.commitDirs()
}

// errTakenSince says that a file was committed under the name of a directory that was made
// meanwhile, and has no other form.
var errTakenSince = errors.New("a file has taken the name of a directory")

// startAgain forgets the directories that are not committed, and so all that are known.
func (pl *Planner) startAgain() {
	pl.forgetMade()
	pl.known.Purge()
	pl.lastDir, pl.lastParent = "", 0
}

func (pl *Planner) forgetMade() {
	clear(pl.made)
	clear(pl.madeIndex)
	pl.made, pl.madeBytes = pl.made[:0], 0
}

func (p *Page) number(first Inode) {
	p.first = first
	for k := range p.slots {
		p.slots[k].inode = first + Inode(k)
	}
}

// resolve finds the directory that name stands in, and makes it where need be.
func (pl *Planner) resolve(name string) (Inode, string, error) {
	dir, last := splitLast(name)
	if plain(last) && len(name) <= MaxName {
		if dir == "" && len(last) == len(name) {
			pl.root.noFiles = false
			return RootInode, last, nil
		}
		if dir == pl.lastDir && pl.lastParent != 0 {
			return pl.lastParent, last, nil
		}
	}
	path, err := SplitName(pl.path[:0], name)
	pl.path = path
	if err != nil {
		return 0, "", err
	}
	parent, err := pl.directory(path[:len(path)-1])
	if err != nil {
		return 0, "", err
	}
	parent.noFiles = false
	if plain(last) {
		pl.lastDir, pl.lastParent = dir, parent.inode
	}
	return parent.inode, path[len(path)-1], nil
}

// splitLast cuts the part after the last slash off.
func splitLast(name string) (dir, last string) {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[:i], name[i+1:]
		}
	}
	return "", name
}

func (pl *Planner) directory(path []string) (*knownDir, error) {
	parent := &pl.root
	for _, name := range path {
		dir, ok := pl.known.Get(dirKey{parent.inode, name})
		if !ok {
			var err error
			if dir, err = pl.child(parent, name); err != nil {
				return nil, err
			}
			// A clone, as name shares the memory of all that it is a part of.
			pl.known.Add(dirKey{parent.inode, strings.Clone(name)}, dir)
		}
		parent = dir
	}
	return parent, nil
}

// child returns the directory called name in parent, or its escaped form where
// a file came first.
func (pl *Planner) child(parent *knownDir, name string) (*knownDir, error) {
	noFile := parent.noFiles && !pl.s.conflicts.mayHave(parent.inode, name)
	if noFile {
		if _, made := pl.madeIndex[dirKey{parent.inode, name}]; !made {
			return pl.makeDir(parent.inode, name, noFile)
		}
	}
	ino, taken, err := pl.findDir(parent.inode, name)
	if err != nil || ino != 0 {
		return &knownDir{inode: ino}, err
	}
	if taken {
		escaped := OtherForm(name)
		if escaped == "" {
			return nil, fmt.Errorf("%w: a file stands where the directory %q should be", ErrName, name)
		}
		if ino, _, err = pl.findDir(parent.inode, escaped); err != nil || ino != 0 {
			return &knownDir{inode: ino}, err
		}
		name = escaped
	}
	return pl.makeDir(parent.inode, name, false)
}

// makeDir makes a directory, and commits those made before where they are many.
func (pl *Planner) makeDir(parent Inode, name string, noFile bool) (*knownDir, error) {
	if pl.madeBytes >= maxMade {
		if err := pl.commitDirs(); err != nil {
			return nil, err
		}
	}
	ino, err := pl.s.reserve(1)
	if err != nil {
		return nil, err
	}
	made := madeDir{dirKey{parent, name}, ino, noFile}
	pl.made = append(pl.made, made)
	pl.madeIndex[made.dirKey] = made.inode
	pl.madeBytes += madeOverhead + 3*len(name)
	return &knownDir{ino, true}, nil
}

// findDir returns the directory's number, 0 where there is none; taken says
// that a file has the name.
func (pl *Planner) findDir(parent Inode, name string) (ino Inode, taken bool, err error) {
	if ino, ok := pl.madeIndex[dirKey{parent, name}]; ok {
		return ino, false, nil
	}
	if pl.isMade(parent) {
		return 0, false, nil
	}
	e, err := pl.s.Lookup(parent, name)
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case e.Kind == Dir:
		return e.Inode, false, nil
	}
	return 0, true, nil
}

// isMade reports whether a directory is not committed yet. Nobody else knows it, so
// there is nothing in it.
func (pl *Planner) isMade(dir Inode) bool {
	_, ok := slices.BinarySearchFunc(pl.made, dir, func(m madeDir, dir Inode) int { return cmp.Compare(m.inode, dir) })
	return ok
}

// commitDirs writes the directories that were made. A file of the same name
// that was committed meanwhile is dealt with by making them anew.
func (pl *Planner) commitDirs() error {
	if len(pl.made) == 0 {
		return nil
	}
	s := pl.s
	batch := s.db.NewBatch()
	defer batch.Close()
	s.commit.Lock()
	defer s.commit.Unlock()
	next := s.commit.progress
	now := s.opts.Now().Unix()
	for a := 0; a < len(pl.made); {
		b := a + 1
		for b < len(pl.made) && pl.made[b].parent == pl.made[a].parent && pl.made[b].inode == pl.made[b-1].inode+1 && b-a < MaxPage {
			b++
		}
		if err := pl.writeDirs(batch, pl.made[a:b], now); err != nil {
			return err
		}
		a = b
	}
	next.Dirs += uint64(len(pl.made))
	if pl.refresh != nil {
		next.Changed += uint64(len(pl.made))
	}
	next.Next = max(next.Next, pl.made[len(pl.made)-1].inode+1)
	if err := s.applyLocked(batch, next); err != nil {
		return err
	}
	pl.forgetMade()
	return nil
}

func (pl *Planner) writeDirs(batch *pebble.Batch, dirs []madeDir, now int64) error {
	for i := range dirs {
		if err := pl.yield(&dirs[i]); err != nil {
			return err
		}
		pl.s.conflicts.add(dirs[i].parent, dirs[i].name)
		e := Entry{Inode: dirs[i].inode, Kind: Dir, State: Inline, Size: -1, Fetched: now}
		if err := batch.Set(appendEntryKey(nil, dirs[i].parent, dirs[i].name), appendEntryHead(nil, &e), nil); err != nil {
			return err
		}
	}
	return writeRun(batch, dirs[0].parent, dirs[0].inode, Dir, len(dirs), func(k int) (string, bool) { return dirs[k].name, true })
}

// yield takes the escaped form for a directory whose name a file took since it
// was looked up.
func (pl *Planner) yield(d *madeDir) error {
	if pl.isMade(d.parent) || d.noFile && !pl.s.conflicts.mayHave(d.parent, d.name) {
		return nil
	}
	e, err := pl.s.Lookup(d.parent, d.name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil || e.Kind == Dir {
		return err
	}
	escaped := OtherForm(d.name)
	if escaped == "" {
		return fmt.Errorf("%w: %q", errTakenSince, d.name)
	}
	d.name = escaped
	return nil
}

package cache

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

// asideDir holds, while a store is repaired, links to the tables of which what can
// be read is taken over.
const asideDir = "repair"

// allKinds stands, in format.Repairing, for damage of which it is not known what it
// hit.
const allKinds = "dfimopst"

// Repaired is what Repair did.
type Repaired struct {
	// Problems counts what was damaged; each was told.
	Problems uint64
	// Pending counts the files whose content was lost and that are to be fetched
	// again, Blobs those of them with a blob file, which was removed.
	Pending, Blobs uint64
	// Dropped counts the records that could not be kept.
	Dropped uint64
	// Relist: names may be lost, so that the next mirror lists from the beginning
	// and compares with what is here.
	Relist bool
	// Report is what a check of all found at the end.
	Report Report
}

// repairer takes a store apart that cannot be opened, or not be read in places, in
// steps of which each can be done again after a crash:
//
//  1. FORMAT says that a repair is under way, so that nothing else opens the store.
//  2. The damaged tables get a second link in the folder repair.
//  3. A new MANIFEST without them is written, and then is the database's. Sound
//     tables stay where they are. Where no MANIFEST can be read, the new database is
//     empty, and all tables are in the folder.
//  4. What can be read of the tables in the folder is put into the database; see
//     salvage.go. It does not matter how often.
//  5. What then contradicts itself is put right; see mend.go.
//  6. The folder goes, and FORMAT says that all is well.
type repairer struct {
	fs     vfs.FS
	o      Options
	ctx    context.Context
	tell   func(problem string)
	format *format
	db     string // the database's folder
	aside  string
	done   Repaired
}

// Repair mends the store in o.Dir: what is damaged is dropped, and the files that it
// held are taken back to pending, so that the next mirror fetches these. Everything
// else stays. Each damage is told. Memory is bounded, and it needs room on the disk
// for what can be read of the damaged tables. After a crash it is to be done again; until
// then the store does not open. The errors are those of Open, ctx's, or ErrCorrupt for
// what cannot be mended.
func Repair(ctx context.Context, o Options, tell func(problem string)) (Repaired, error) {
	o.EnsureDefaults()
	o.repair, o.FlushEvery, o.Reserve = true, -1, -1
	if err := o.Validate(); err != nil {
		return Repaired{}, err
	}
	f, err := inspect(&o)
	if err != nil {
		return Repaired{}, err
	}
	if f == nil {
		return Repaired{}, noStore(o.Dir)
	}
	lock, err := lockDir(&o)
	if err != nil {
		return Repaired{}, err
	}
	if lock.lock == nil {
		return Repaired{}, fmt.Errorf("repair store %s: %w", o.Dir, ErrReadOnly)
	}
	r := &repairer{fs: o.FS, o: o, ctx: ctx, tell: tell, db: o.FS.PathJoin(o.Dir, "db"), aside: o.FS.PathJoin(o.Dir, asideDir)}
	err = lock.sign(&o)
	if err == nil {
		err = r.repair()
	}
	if err != nil {
		err = fmt.Errorf("repair store %s: %w", o.Dir, err)
	}
	return r.done, errors.Join(err, lock.Close())
}

func (r *repairer) problem(format string, args ...any) {
	r.done.Problems++
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	r.tell(line)
}

func (r *repairer) repair() (err error) {
	if r.format, err = inspect(&r.o); err != nil {
		return err
	}
	if r.format == nil || r.format.Making {
		return fmt.Errorf("%w: it was never made whole, and holds nothing; remove it", ErrCorrupt)
	}
	r.format.Version = formatVersion
	if err := r.lost("-"); err != nil { // nothing yet
		return err
	}
	if err := r.files(); err != nil {
		return err
	}
	if err := r.tables(); err != nil {
		return err
	}
	if err := r.room(); err != nil {
		return err
	}
	s, err := openAs(r.o, r.format, nil)
	if err != nil {
		return err
	}
	if err = errors.Join(r.contents(s), s.Close()); err != nil {
		return err
	}
	if err := r.fs.RemoveAll(r.aside); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	r.format.Repairing = ""
	return r.format.write(r.fs, r.o.Dir)
}

// lost notes, before it happens, which kinds of keys lose some.
func (r *repairer) lost(kinds string) error {
	have := r.format.Repairing
	for _, kind := range kinds {
		if !strings.ContainsRune(have, kind) {
			have += string(kind)
		}
	}
	if have == r.format.Repairing {
		return nil
	}
	r.format.Repairing = have
	return r.format.write(r.fs, r.o.Dir)
}

// files puts right the files that say what the database's other files are.
func (r *repairer) files() error {
	s := &Store{opts: r.o, format: r.format}
	o := s.pebbleOptions()
	if _, err := r.fs.Stat(r.db); errors.Is(err, iofs.ErrNotExist) {
		r.problem("the folder db is missing")
		if err := errors.Join(r.lost(allKinds), r.fs.MkdirAll(r.db, privateDir)); err != nil {
			return err
		}
	}
	// Pebble makes these anew.
	for _, check := range []func() error{
		func() error { return checkLogs(r.fs, r.db) },
		func() error { return checkOptions(r.fs, r.db, o) },
	} {
		err := check()
		for ; errors.Is(err, ErrCorrupt); err = check() {
			damage, ok := errors.AsType[*damageError](err)
			if !ok {
				return err
			}
			r.problem("%v", err)
			if err := r.fs.Remove(r.fs.PathJoin(r.db, damage.file)); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	err := checkDatabase(r.fs, r.db, o)
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	r.problem("%v", err)
	// Where only the markers are at fault nothing is lost.
	name, err := currentManifest(r.fs, r.db)
	if err != nil {
		return err
	}
	if name != "" {
		err := checkManifest(r.fs, r.fs.PathJoin(r.db, name))
		if err == nil {
			return moveMarkers(r.fs, r.db, name)
		}
		if !errors.Is(err, ErrCorrupt) {
			return err
		}
	}
	if err := r.lost(allKinds); err != nil {
		return err
	}
	names, err := r.fs.List(r.db)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, tableSuffix) {
			if err := r.keep(name); err != nil {
				return err
			}
		}
	}
	if err := r.syncAside(); err != nil {
		return err
	}
	return rewriteManifest(r.fs, r.db, nil)
}

// keep gives a table a second link, unless it has one.
func (r *repairer) keep(name string) error {
	from := r.fs.PathJoin(r.db, name)
	if _, err := r.fs.Stat(from); errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err := r.fs.MkdirAll(r.aside, privateDir); err != nil {
		return err
	}
	err := r.fs.Link(from, r.fs.PathJoin(r.aside, name))
	if errors.Is(err, iofs.ErrExist) {
		return nil
	}
	return err
}

func (r *repairer) syncAside() error {
	err := syncDir(r.fs, r.aside)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncDir(r.fs, r.o.Dir))
}

// tables takes the damaged tables out of the database.
func (r *repairer) tables() error {
	if name, err := newest(r.fs, r.db, manifestPrefix); err != nil || name == "" {
		return err
	}
	s := &Store{opts: r.o, format: r.format, readOnly: ErrReadOnly}
	s.damage, s.openFailed = zerolog.Nop(), make(chan error, 1) // each is told
	o := s.pebbleOptions()
	o.DisableConsistencyCheck = true
	fs := &withLost{FS: lockless{r.fs}, dir: r.db}
	var err error
	if fs.below, err = nextFile(r.fs, r.db); err != nil {
		return err
	}
	o.FS = fs
	db, err := s.openPebble(r.db, o)
	if err != nil {
		return fmt.Errorf("%w: %w; remove %s and mirror again", ErrCorrupt, err, r.o.Dir)
	}
	all, err := tablesOf(db)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	var dropped []*dbTable
	for _, t := range all {
		if err := t.check(r.ctx, r.fs, r.db, s.readerOptions()); err != nil {
			return err
		}
		if len(t.what) == 0 {
			// Set aside while it was not known what the database has.
			if err := r.fs.Remove(r.fs.PathJoin(r.aside, t.name())); err != nil && !errors.Is(err, iofs.ErrNotExist) {
				return err
			}
			continue
		}
		r.problem("%s", t.describe(func(dir Inode) string { return fmt.Sprintf("directory %d", dir) }))
		if err := r.keep(t.name()); err != nil {
			return err
		}
		for _, l := range t.lost {
			if err := r.lost(string(l.lower[:1])); err != nil {
				return err
			}
		}
		dropped = append(dropped, t)
	}
	if len(dropped) == 0 {
		return nil
	}
	if err := r.syncAside(); err != nil {
		return err
	}
	return rewriteManifest(r.fs, r.db, dropped)
}

// withLost is a filesystem that lists all tables that a database may have had, as
// Pebble does not open one of which a table is missing.
type withLost struct {
	vfs.FS
	dir   string
	below uint64
}

func (w *withLost) List(dir string) ([]string, error) {
	names, err := w.FS.List(dir)
	if err != nil || dir != w.dir {
		return names, err
	}
	have := make(map[string]bool, len(names))
	for _, name := range names {
		have[name] = true
	}
	for n := uint64(1); n < w.below; n++ {
		if name := tableName(n); !have[name] {
			names = append(names, name)
		}
	}
	return names, nil
}

// Unwrap is for vfs.Root.
func (w *withLost) Unwrap() vfs.FS { return w.FS }

// room checks that the disk has room for what is taken over.
func (r *repairer) room() error {
	names, err := r.fs.List(r.aside)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	need := uint64(memTableSize)
	for _, name := range names {
		info, err := r.fs.Stat(r.fs.PathJoin(r.aside, name))
		if err != nil {
			return err
		}
		need += uint64(info.Size())
	}
	free := r.o.free
	if free == nil {
		free = func() (uint64, uint64, error) { return freeOf(r.fs, r.o.Dir) }
	}
	// Where that cannot be told the write itself will say what is wrong.
	if bytes, _, err := free(); err == nil && bytes < need {
		return &NoRoomError{Dir: r.o.Dir, Free: bytes, Reserve: need}
	}
	return nil
}

// contents brings the store's contents in order.
func (r *repairer) contents(s *Store) error {
	names, err := r.fs.List(r.aside)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	o := s.readerOptions()
	for _, name := range names {
		if err := r.salvage(s, o, r.fs.PathJoin(r.aside, name)); err != nil {
			return err
		}
	}
	m := &mender{s: s, ctx: r.ctx, r: r, batch: s.db.NewBatch()}
	if err := errors.Join(m.mend(), m.batch.Close()); err != nil {
		return err
	}
	if err := s.flush(r.ctx); err != nil {
		return err
	}
	// What the checkpoint was before must not come up again.
	done := make(chan error, 1)
	go func() { done <- s.db.Compact(r.ctx, []byte{keyMeta}, []byte{keyMeta + 1}, false) }()
	select {
	case err := <-done:
		return err
	case <-s.Broken(): // it may hang
		return s.BrokenErr()
	}
}

package cache

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// someTables are the tables of a small segment behind another, which a store has already.
func someTables(t testing.TB) (first, second *NameTables) {
	t.Helper()
	n, err := NewNumbering(nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var made []*NameTables
	for _, names := range [][]string{{"a/b/1", "a/b/2"}, {"a/b/3", "a/c/4", "a/c/e/5", "d"}} {
		for _, name := range names {
			if _, err := n.Add([]Name{{Origin: name, Size: 1, ModTime: 7}}); err != nil {
				t.Fatal(err)
			}
		}
		tables, err := n.Finish()
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, tables)
	}
	return made[0], made[1]
}

// records reads a table that is sound.
func records(t testing.TB, b []byte) (all []keyValue) {
	t.Helper()
	if err := eachRecord(context.Background(), TableOf(b), func(key, value []byte) error {
		all = append(all, keyValue{slices.Clone(key), slices.Clone(value)})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// remade is a table with its records changed, and a sum that is right again.
func remade(t testing.TB, b []byte, change func([]keyValue) []keyValue) Table {
	t.Helper()
	table, _, err := tableFrom(change(records(t, b)))
	if err != nil {
		t.Fatal(err)
	}
	return TableOf(table)
}

func at(all []keyValue, letter byte, k int) *keyValue {
	for i := range all {
		if all[i].key[0] == letter {
			if k == 0 {
				return &all[i]
			}
			k--
		}
	}
	panic("no such record")
}

func entryOf(kv *keyValue, change func(*Entry)) {
	e, err := decodeEntry(kv.value)
	if err != nil {
		panic(err)
	}
	change(&e)
	kv.value = append(appendEntryHead(nil, &e), e.Content...)
}

// hostileNames are changes of a table of files, or of directories, each of which it is to be refused
// for.
var hostileNames = map[string]func(all []keyValue, c *NameCounts, kind Kind) []keyValue{
	"a key of another letter": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		return append(all, keyValue{[]byte{keyAside, 0, 0, 0, 0, 0, 0, 0, 20}, nil})
	},
	"the checkpoint": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		return append(all, keyValue{metaProgress, (&Progress{Next: 1 << 40}).append(nil)})
	},
	"a number of the segment before": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		entryOf(at(all, keyEntry, 0), func(e *Entry) { e.Inode = FirstInode })
		return all
	},
	"a spare number": func(all []keyValue, c *NameCounts, _ Kind) []keyValue {
		entryOf(at(all, keyEntry, 0), func(e *Entry) { e.Inode = c.Spare })
		return all
	},
	"a number twice": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		e, _ := decodeEntry(at(all, keyEntry, 0).value)
		entryOf(at(all, keyEntry, 1), func(f *Entry) { f.Inode = e.Inode })
		return all
	},
	"a content": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		entryOf(at(all, keyEntry, 0), func(e *Entry) {
			e.State, e.Content = Inline, []byte("x")
			if e.Kind == Dir {
				e.State = Pending
			}
		})
		return all
	},
	"an entry of the other kind": func(all []keyValue, _ *NameCounts, kind Kind) []keyValue {
		entryOf(at(all, keyEntry, 0), func(e *Entry) {
			if e.Kind, e.State = Dir, Inline; kind == Dir {
				e.Kind, e.State = File, Pending
			}
		})
		return all
	},
	"a name in a file, or in itself": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		kv := at(all, keyEntry, 0)
		e, _ := decodeEntry(kv.value)
		_, name, _ := splitEntryKey(kv.key)
		kv.key = appendEntryKey(nil, e.Inode, string(name))
		return all
	},
	"a name in a directory that comes later": func(all []keyValue, c *NameCounts, _ Kind) []keyValue {
		kv := at(all, keyEntry, 0)
		_, name, _ := splitEntryKey(kv.key)
		kv.key = appendEntryKey(nil, c.End, string(name))
		return all
	},
	"a name with a slash": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		at(all, keyEntry, 0).key = appendEntryKey(nil, RootInode, "x/y")
		return all
	},
	"an entry that does not decode": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		at(all, keyEntry, 0).value = []byte{0xff}
		return all
	},
	"an entry with something behind it": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		kv := at(all, keyEntry, 1)
		kv.value = append(kv.value, 0)
		return all
	},
	"an entry without a run": func(all []keyValue, c *NameCounts, kind Kind) []keyValue {
		e := Entry{Inode: c.Spare - 1, Size: -1}
		if c.Files++; kind == Dir {
			e, c.Dirs, c.Files = dirEntry(c.Spare-1, 0), c.Dirs+1, c.Files-1
		}
		return append(all, keyValue{appendEntryKey(nil, RootInode, "zz"), appendEntryHead(nil, &e)})
	},
	"a run that does not decode": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		at(all, keyRun, 0).value = []byte{0, 200}
		return all
	},
	"a run of other names": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		kv := at(all, keyRun, 0)
		kv.value = slices.Clone(kv.value)
		kv.value[len(kv.value)-1]++
		return all
	},
	"a run without its index": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		return slices.DeleteFunc(all, func(kv keyValue) bool { return kv.key[0] == keyRunIndex })
	},
	"an index without a run": func(all []keyValue, _ *NameCounts, _ Kind) []keyValue {
		return slices.DeleteFunc(all, func(kv keyValue) bool { return kv.key[0] == keyRun })
	},
	"an index of another directory": func(all []keyValue, _ *NameCounts, kind Kind) []keyValue {
		at(all, keyRunIndex, 0).value = appendRunIndex(nil, newRunIndex(99, kind))
		return all
	},
	"an index of the other kind": func(all []keyValue, _ *NameCounts, kind Kind) []keyValue {
		kv := at(all, keyRunIndex, 0)
		index, _ := decodeRunIndex(kv.value)
		kv.value = appendRunIndex(nil, newRunIndex(index.parent, File+Dir-kind))
		return all
	},
	"more names than were said": func(all []keyValue, c *NameCounts, _ Kind) []keyValue { c.Files--; c.Dirs--; return all },
	"a bound too low": func(all []keyValue, c *NameCounts, kind Kind) []keyValue {
		c.keys(kind).Min = appendEntryKey(nil, RootInode, "")
		return all
	},
	"a bound too high": func(all []keyValue, c *NameCounts, kind Kind) []keyValue {
		c.keys(kind).Max = append(slices.Clone(c.keys(kind).Max), 'x')
		return all
	},
	"no bounds": func(all []keyValue, c *NameCounts, kind Kind) []keyValue { *c.keys(kind) = KeyRange{}; return all },
	"numbers that are too many": func(all []keyValue, c *NameCounts, _ Kind) []keyValue {
		c.Spare += 1 << 40
		c.End = c.Spare
		return all
	},
}

func TestHostileNames(t *testing.T) {
	for what, kind := range map[string]Kind{"directories": Dir, "files": File} {
		t.Run(what, func(t *testing.T) { testHostileNames(t, kind) })
	}
}

func testHostileNames(t *testing.T, kind Kind) {
	ctx := context.Background()
	first, second := someTables(t)
	s := openSegments(t)
	ingestNames(t, s, first)
	ingest := func(table Table, c NameCounts) error { return s.IngestDirs(ctx, SegmentDirs{table, c}) }
	whole, sum := second.Dirs, second.DirsSum
	var dirs *numberSet
	if kind == File {
		if err := ingest(TableOf(second.Dirs), second.Counts); err != nil {
			t.Fatal(err)
		}
		whole, sum = second.Files, second.FilesSum
		ingest = func(table Table, c NameCounts) error { return s.IngestFiles(ctx, table, c) }
		var err error
		if dirs, err = s.dirsOf(&second.Counts); err != nil {
			t.Fatal(err)
		}
	}
	before := s.Progress()
	refused := func(name string, table Table, c NameCounts) {
		if err := ingest(table, c); !errors.Is(err, ErrTable) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if s.Progress() != before {
			t.Fatalf("%s: something of it was taken", name)
		}
		// Not only as the segment is said to be another than that whose directories are here.
		check, err := newNameCheck(c, kind, dirs, nil)
		if err == nil {
			err = checkNames(ctx, table, check, func(_, _ []byte) error { return nil })
		}
		if !errors.Is(err, ErrTable) {
			t.Errorf("%s: the check says: %v", name, err)
		}
	}
	for name, change := range hostileNames {
		c := second.Counts
		table := remade(t, whole, func(all []keyValue) []keyValue { return change(all, &c, kind) })
		refused(name, table, c)
	}
	other := TableOf(whole)
	other.Sum++
	refused("another sum", other, second.Counts)
	refused("the table of the other kind", TableOf(map[Kind][]byte{Dir: second.Files, File: second.Dirs}[kind]), second.Counts)
	refused("the table of another segment", TableOf(map[Kind][]byte{Dir: first.Dirs, File: first.Files}[kind]), second.Counts)
	for n := range whole {
		refused("cut off", TableOf(whole[:n]), second.Counts)
		flipped := slices.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		damaged := TableOf(flipped)
		damaged.Sum = sum
		refused("a bit is flipped", damaged, second.Counts)
	}
	overlapping := second.Counts
	overlapping.First--
	if err := ingest(TableOf(whole), overlapping); !errors.Is(err, ErrTable) {
		t.Errorf("numbers of another segment: %v", err)
	}
	if err := s.Damaged(); err != nil {
		t.Error("what others sent is taken for damage of the store:", err)
	}
	ingestNames(t, s, second)
	verifyClean(t, s)
}

// TestHostileContext: a worker takes no context in which a directory stands nowhere.
func TestHostileContext(t *testing.T) {
	_, second := someTables(t)
	for k := range records(t, second.Context) {
		table := remade(t, second.Context, func(all []keyValue) []keyValue { return slices.Delete(all, k, k+1) })
		s, err := OpenScratch(context.Background(), Options{Dir: t.TempDir(), Reserve: -1}, TableOf(second.Dirs), TableOf(second.Files), table, second.Counts)
		if !errors.Is(err, ErrTable) {
			t.Errorf("without record %d: %v", k, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

// TestHostileContents: contents of another segment's files, of other numbers, of other lengths
// than were told, and such like are refused.
func TestHostileContents(t *testing.T) {
	ctx := context.Background()
	first, second := someTables(t)
	s := openSegments(t)
	c := second.Counts
	for _, tables := range []*NameTables{first, second} {
		ingestNames(t, s, tables)
	}
	contents := func(b []byte, change func(*Entry)) (all []keyValue) {
		for _, kv := range records(t, b) {
			e, err := decodeEntry(kv.value)
			if err != nil || kv.key[0] != keyEntry || e.Kind == Dir {
				continue
			}
			e.State, e.Content, e.Size = Inline, []byte("x"), 1
			change(&e)
			all = append(all, keyValue{kv.key, append(appendEntryHead(nil, &e), e.Content...)})
		}
		return all
	}
	table := func(all []keyValue) Table {
		b, _, err := tableFrom(all)
		if err != nil {
			t.Fatal(err)
		}
		return TableOf(b)
	}
	none, counts := table(nil), ContentCounts{Fetched: c.Files, Bytes: c.Files}
	if err := s.IngestContents(ctx, c.First, 1, table(contents(second.Files, func(*Entry) {}))); !errors.Is(err, ErrNotFound) {
		t.Errorf("contents before their outcome: %v", err)
	}
	gone := func(ino Inode) []keyValue {
		all := contents(second.Files, func(e *Entry) { e.State, e.Content, e.Size, e.ModTime, e.Inode = Gone, nil, -1, 0, ino })
		return all[:1]
	}
	for name, bad := range map[string]Table{
		"a file that is gone and stands in its run": table(gone(c.Spare - 1)),
		"a number outside":                          table(gone(FirstInode)),
		"a failure of no file":                      table([]keyValue{{appendFailedKey(nil, c.End), (&Failure{Name: "x"}).append(nil)}}),
		"a run":                                     table([]keyValue{{appendRunKey(nil, RootInode, c.First), appendRun(nil, File, 1, func(int) (string, bool) { return "x", true })}}),
		"a checkpoint":                              table([]keyValue{{metaProgress, nil}}),
	} {
		if err := s.IngestOutcome(ctx, c.First, bad, counts); !errors.Is(err, ErrTable) {
			t.Errorf("outcome: %s: %v", name, err)
		}
	}
	if err := s.IngestOutcome(ctx, c.First, none, ContentCounts{Fetched: 1}); !errors.Is(err, ErrTable) {
		t.Errorf("an outcome of too few files: %v", err)
	}
	if err := s.IngestOutcome(ctx, c.First, none, counts); err != nil {
		t.Fatal(err)
	}
	before := s.Progress()
	for name, bad := range map[string]Table{
		"another segment's":       table(contents(first.Files, func(*Entry) {})),
		"another number":          table(contents(second.Files, func(e *Entry) { e.Inode = c.Spare })),
		"another length":          table(contents(second.Files, func(e *Entry) { e.Content = []byte("xy") })),
		"another time":            table(contents(second.Files, func(e *Entry) { e.ModTime++ })),
		"a blob of another file":  table(contents(second.Files, func(e *Entry) { e.State, e.Content, e.blob = Blob, nil, 3 })),
		"no content":              table(contents(second.Files, func(e *Entry) { e.State, e.Content = Pending, nil })),
		"a directory":             table(contents(second.Files, func(e *Entry) { e.Kind, e.Content = Dir, nil })),
		"a run among them":        remade(t, second.Files, func(all []keyValue) []keyValue { return all }),
		"a name that is not here": table([]keyValue{{appendEntryKey(nil, RootInode, "new"), append(appendEntryHead(nil, &Entry{Inode: c.First, State: Inline}), 'x')}}),
	} {
		if err := s.IngestContents(ctx, c.First, 1, bad); !errors.Is(err, ErrTable) {
			t.Errorf("contents: %s: %v", name, err)
		}
	}
	if s.Progress() != before {
		t.Error("something of them was taken")
	}
	// What lies among the contents of another part could not be told from them when they are taken back.
	all := contents(second.Files, func(*Entry) {})
	if len(all) != 4 {
		t.Fatal(len(all))
	}
	if err := s.IngestContents(ctx, c.First, 2, table([]keyValue{all[0], all[2]})); err != nil {
		t.Fatal(err)
	}
	for name, among := range map[string][]keyValue{"one": {all[1]}, "one and another": {all[1], all[3]}} {
		if err := s.IngestContents(ctx, c.First, 1, table(among)); !errors.Is(err, ErrTable) {
			t.Errorf("%s among those of another part: %v", name, err)
		}
	}
	if err := s.IngestContents(ctx, c.First, 1, table(all[3:])); err != nil {
		t.Error(err)
	}
	for part := 1; part <= 2; part++ {
		if _, err := s.TakeBack(ctx, c.First, part); err != nil {
			t.Errorf("part %d is taken back: %v", part, err)
		}
	}
	if s.Progress() != before {
		t.Errorf("%+v is left of %+v", s.Progress(), before)
	}
	if err := s.IngestContents(ctx, c.First, 1, table(all)); err != nil {
		t.Fatal(err)
	}
	verifyClean(t, s)
}

// FuzzTable has tables of any bytes be checked: none makes the check fail otherwise than by
// its error, and what it takes is a sound store.
func FuzzTable(f *testing.F) {
	_, second := someTables(f)
	f.Add(second.Files)
	f.Add(second.Dirs)
	f.Add(second.Context)
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx := context.Background()
		ignore := func(_, _ []byte) error { return nil }
		for _, kind := range []Kind{Dir, File} {
			check, err := newNameCheck(second.Counts, kind, newNumberSet(second.Counts.First, second.Counts.Spare), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkNames(ctx, TableOf(b), check, ignore); err != nil && !errors.Is(err, ErrTable) {
				t.Error(err)
			}
		}
		if _, err := checkContext(ctx, TableOf(b), second.Counts.First); err != nil && !errors.Is(err, ErrTable) {
			t.Error(err)
		}
	})
}

// FuzzNumberingState has states of any bytes be decoded: one that decodes is one that a
// numbering goes on from.
func FuzzNumberingState(f *testing.F) {
	n, err := NewNumbering(nil, 5)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := n.Add([]Name{{Origin: "a"}, {Origin: "a/b/c"}}); err != nil {
		f.Fatal(err)
	}
	if _, err := n.Finish(); err != nil {
		f.Fatal(err)
	}
	f.Add(n.State(), "a/b/d")
	f.Fuzz(func(t *testing.T, state []byte, name string) {
		n, err := NewNumbering(state, 5)
		if err != nil {
			return
		}
		if _, err := n.Add([]Name{{Origin: name}}); err != nil {
			return
		}
		if _, err := n.Finish(); err != nil {
			return
		}
		if _, err := NewNumbering(n.State(), 5); err != nil {
			t.Error(err)
		}
	})
}

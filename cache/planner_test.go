package cache

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// deepNames are n names of MaxName bytes with as many levels as there can be, which
// share no directory but the root.
func deepNames(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%06d", i) + strings.Repeat("/d", (MaxName-6)/2)
	}
	return list
}

// atEachCommit has fn called under the commit lock before a planner's directories are
// written to the store that *s is by then.
func atEachCommit(o *Options, s **Store, fn func()) {
	o.Now = func() time.Time {
		if *s != nil {
			fn()
		}
		return time.Unix(1, 0)
	}
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestNamesOfManyDirectories has one page make 33,000 directories: no commit has more
// than some thousands of them, and memory stays.
func TestNamesOfManyDirectories(t *testing.T) {
	const most = memTableSize + 16<<20 // bytes; memtables may stand in Go's heap
	o := Options{Dir: t.TempDir(), Origin: testOrigin, FlushEvery: -1}
	var s *Store
	var dirs, largest, before, peak uint64
	commits := 0
	atEachCommit(&o, &s, func() {
		now := s.Progress().Dirs
		dirs, largest = now, max(largest, now-dirs)
		commits++
		peak = max(peak, liveHeap())
	})
	s = open(t, o)
	list := names(deepNames(4)...)
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	before = liveHeap()
	page, err := pl.Plan(list)
	if err != nil {
		t.Fatal(err)
	}
	made := s.Progress().Dirs
	largest = max(largest, made-dirs)
	t.Logf("%d directories in %d commits of %d at most; %d bytes at most", made, commits, largest, peak-min(peak, before))
	if want := uint64(len(list)) * (MaxName - 6) / 2; made != want {
		t.Errorf("%d directories, not %d", made, want)
	}
	if largest > maxMade/madeOverhead+1 {
		t.Errorf("%d directories in one commit", largest)
	}
	if peak > before+most {
		t.Errorf("%d bytes are held on the way", peak-before)
	}
	commit(t, page)
	again, err := pl.Plan(list)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, again)
	if p := s.Progress(); p.Dirs != made || p.Files != uint64(len(list)) {
		t.Errorf("listed again: %+v", p)
	}
	verify(t, s)
}

// TestCrashAmongDirectories cuts the power when some directories of a name are on the
// disk and others are not.
func TestCrashAmongDirectories(t *testing.T) {
	disk := vfs.NewCrashableMem()
	o := Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: disk}
	var s *Store
	commits := 0
	crashed := o
	atEachCommit(&o, &s, func() {
		if commits++; commits == 3 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			crashed.FS = disk.CrashClone(vfs.CrashCloneCfg{})
		}
	})
	s = open(t, o)
	all := deepNames(2)
	put(t, plan(t, s, all...))
	after := open(t, crashed)
	if p := after.Progress(); p.Dirs == 0 || p.Dirs >= s.Progress().Dirs || p.Files != 0 {
		t.Fatalf("after the crash: %+v", p)
	}
	put(t, plan(t, after, all...))
	verify(t, after)
	if p, want := after.Progress(), s.Progress(); p.Dirs != want.Dirs || p.Files != want.Files {
		t.Errorf("in the end %+v, not %+v", p, want)
	}
	for _, name := range all {
		if got := content(t, after, name); got != string(body(name)) {
			t.Errorf("a deep file holds %.20q", got)
		}
	}
}

// TestDirectoryTakenWhilePlanned has a reader bring a file into the store whose name
// the planner is about to give to a directory, in one that many others are made in.
func TestDirectoryTakenWhilePlanned(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	parent, name, err := pl.resolve("a/b/f")
	if err != nil {
		t.Fatal(err)
	}
	ask, err := s.Ask(RootInode, "a")
	if err != nil {
		t.Fatal(err)
	}
	put(t, ask)
	page, err := pl.Plan(names("a/b/f", "a/b/g", "a/c/h"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, page)
	e, err := find(s, "%%a/b/"+name)
	if err != nil || content(t, s, "%%a/b/f") != string(body("a/b/f")) || content(t, s, "a") != string(body("a")) {
		t.Errorf("%+v, %v", e, err)
	}
	if up, _, err := s.locate(e.Inode); err != nil || up != parent {
		t.Errorf("it stands in %d, not %d: %v", up, parent, err)
	}
	verify(t, s)
}

// TestDirectoriesWithoutALook makes directories in such as hold no files, which is done
// without looking for one of their name; unless the listing, or a reader, brought one.
func TestDirectoriesWithoutALook(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FlushEvery: -1, FS: vfs.NewMem()})
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	dir := func(path ...string) *knownDir {
		t.Helper()
		d, err := pl.directory(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	put(t, planWith(t, pl, "d/e/f", "d/g/f"))
	if !pl.root.noFiles || !dir("d").noFiles || dir("d", "e").noFiles {
		t.Errorf("directories without files: %+v, %+v, %+v", pl.root, dir("d"), dir("d", "e"))
	}
	ask, err := s.Ask(dir("d").inode, "asked")
	if err != nil {
		t.Fatal(err)
	}
	put(t, ask)
	put(t, planWith(t, pl, "d/asked/1", "d/e/f/2", "d/h/i/3", "d/h/j", "d/h/j/4"))
	if dir("d", "h").noFiles || !dir("d").noFiles {
		t.Errorf("d/h: %+v, d: %+v", dir("d", "h"), dir("d"))
	}
	pl.known.Purge()
	put(t, planWith(t, pl, "d/asked/5", "d/e/f/6", "d/h/i/7", "d/h/j/8"))
	for _, name := range []string{"d/asked", "d/%%asked/1", "d/%%asked/5", "d/e/f", "d/e/%%f/2", "d/e/%%f/6", "d/h/i/3", "d/h/i/7", "d/h/%%j", "d/h/j/4", "d/h/j/8", "d/g/f"} {
		if e, err := find(s, name); err != nil || !e.Here() || e.Kind == Dir {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	verify(t, s)
}

// TestFileTakesANameSince has a file be committed under the name of a directory that was made
// and is not committed yet, where neither can have another form: the later one is left out.
func TestFileTakesANameSince(t *testing.T) {
	long := strings.Repeat("n", MaxComponent)
	s := open(t, Options{Dir: t.TempDir(), Origin: testOrigin})
	pl, err := s.NewPlanner()
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	pl.Skip = func(name string, err error) {
		if !errors.Is(err, ErrName) {
			t.Error(err)
		}
		skipped = append(skipped, name)
	}
	first, err := pl.Plan(names(long))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := pl.resolve(long + "/before"); err != nil { // the directory is made
		t.Fatal(err)
	}
	put(t, first)
	page, err := pl.Plan(names("a", long+"/x", "other/y", long+"/z"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, page)
	if !slices.Equal(skipped, []string{long + "/x", long + "/z"}) {
		t.Errorf("%d names are left out", len(skipped))
	}
	got := list(t, s, RootInode)
	if slices.Sort(got); !slices.Equal(got, []string{"a", long, "other"}) {
		t.Errorf("root lists %.20q", got)
	}
	verify(t, s)
}

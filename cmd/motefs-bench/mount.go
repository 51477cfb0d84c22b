package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// mountRow is one measure of one filesystem.
type mountRow struct {
	what    string
	on      *filesystem
	set     fileset
	reads   int64 // 0: not of so many reads
	lines   []line
	measure func(ctx context.Context, t *trial) ([]float64, error)
}

const reads = "open, read, close"

// mountRows are which filesystems are measured, and how; all is the big directory.
func (b *bench) mountRows(all fileset) []mountRow {
	small := func(files int64) fileset { return fileset{files: min(b.files, files), size: serve.DefaultBodySize} }
	listed, onDisk := small(b.scale(100_000)), small(1_000_000)
	// For the programs that ask for each file when they list it, or when it is opened.
	few := small(b.scale(10_000))
	one := fileset{files: 1, size: b.scale(512<<20) &^ (sequentialBuffer - 1)}
	disk := &filesystem{name: filesystemType(b.tmp), cold: true, prepare: prepareTree}
	sequential, sequentialReplica := cold, coldReplica
	if !b.dropCaches {
		sequential, sequentialReplica = warm, replica
	}
	const getdents, ls, head = "getdents64", "ls -l", "ls -f into head"
	lsAll, lsTen := measureShell(`LC_ALL=C ls -l "$1" >/dev/null`), measureShell(`LC_ALL=C ls -f "$1" | head >/dev/null`)
	whole := fmt.Sprintf("sequential read, %d MiB", one.size>>20)
	rate := []line{{cells: []cell{figure(0, 3, 1, "/s"), figure(1, 3, 1, "/s")}}}
	throughput := []line{{cells: []cell{figure(0, 3, 1e6, " MB/s"), figure(1, 3, 1e6, " MB/s")}}}
	times := []line{{cells: []cell{seconds(0), seconds(1)}}}
	perFile := []line{{cells: []cell{perFile(0), perFile(1)}}}
	return []mountRow{
		{reads, floorOf, all, b.reads, perFile, measureReads},
		{reads, warm, all, b.reads, perFile, measureReads},
		{reads, cold, all, b.reads, perFile, measureReads},
		{reads, replica, all, b.reads, perFile, measureReads},
		{reads, disk, onDisk, b.reads, perFile, measureReads},
		{reads, rcloneMount, few, b.scale(2_000), perFile, measureReads},
		{reads, httpdirfsMount, few, b.scale(200), perFile, measureReads}, // a tenth of a second each
		{getdents, floorOf, all, 0, rate, measureGetdents},
		{getdents, warm, all, 0, rate, measureGetdents},
		{getdents, cold, all, 0, rate, measureGetdents},
		{getdents, replica, all, 0, rate, measureGetdents},
		{getdents, disk, onDisk, 0, rate, measureGetdents},
		{ls, floorOf, listed, 0, times, lsAll},
		{ls, warm, listed, 0, times, lsAll},
		{ls, replica, listed, 0, times, lsAll},
		{ls, disk, listed, 0, times, lsAll},
		{head, floorOf, all, 0, times, lsTen},
		{head, disk, onDisk, 0, times, lsTen},
		{head, warm, all, 0, times, lsTen},
		{head, replica, all, 0, times, lsTen},
		{"ready", warm, all, 0, times, measureReady},
		{"ready", replica, all, 0, times, measureReady},
		{"memory", warm, all, b.reads, memoryLines(min(b.reads, all.files)), measureMemory},
		{"memory", replica, all, b.reads, memoryLines(min(b.reads, all.files)), measureMemory},
		{whole, sequential, one, 0, throughput, measureSequential},
		{whole, sequentialReplica, one, 0, throughput, measureSequential},
		{whole, storeFile, one, 0, throughput, measureSequential},
	}
}

func (b *bench) mountTable() (t *table, err error) {
	all := fileset{files: b.files, size: serve.DefaultBodySize}
	if b.store != "" {
		if all, err = b.existingStore(); err != nil {
			return nil, err
		}
	}
	t = &table{
		command: "bench-mount", words: 2,
		columns: []string{"measure", "filesystem", "files", "first time", "again"},
		notes:   b.mountNotes(),
	}
	for _, m := range b.mountRows(all) {
		ofStore := m.set == all && (m.on == warm || m.on == cold)
		if m.on == cold && !b.dropCaches || b.store != "" && !ofStore || !b.only.MatchString(m.what+": "+m.on.name) {
			continue
		}
		m.reads = min(m.reads, m.set.files)
		t.rows = append(t.rows, b.mountRow(m))
	}
	if slices.ContainsFunc(t.rows, func(r *row) bool { return len(r.needs) > 0 }) {
		t.notes += "rclone and httpdirfs fetch from an nginx on this machine at the first time, and list the directory with it.\n"
	}
	return t, nil
}

func (b *bench) mountRow(m mountRow) *row {
	files := thousands(fmt.Sprint(m.set.files))
	if len(m.lines) == 1 && m.reads > 0 && m.reads < m.set.files {
		files = thousands(fmt.Sprint(m.reads)) + " of " + files
	}
	return &row{
		name: m.what + ": " + m.on.name, needs: m.on.needs, left: []string{m.what, m.on.name, files}, lines: m.lines,
		prepare: func(ctx context.Context, dir string) (measurement, error) {
			words, err := m.on.prepare(ctx, b, m.set)
			t := &trial{mountRow: m, b: b, scratch: dir, words: words, cold: m.on.cold}
			return func(ctx context.Context) ([]float64, error) { return m.measure(ctx, t) }, err
		},
	}
}

// mountNotes say what was measured, and what was in memory at the first time.
func (b *bench) mountNotes() string {
	text := fmt.Sprintf(`%q is of random files, each once, by %d threads: the time is wall-clock time a file and thread (wall × %[2]d ÷ files, so
what one open, read and close takes a thread), in parentheses all threads' files a second. "First time" is on a fresh mount,
"again" right after it by the same process. getdents64 is entries a second of raw calls with a buffer of 1 MiB and no stat;
the other times are those of the whole command. "Ready" is from the start of the process to its line "serving". Memory is
the serving process's resident set; "again" is after another find and the same reads.
`, reads, readThreads)
	switch {
	case !b.dropCaches:
		return text + "The page cache was not dropped: at the first time, stores and files on disk were in memory as well.\n"
	case b.store != "":
		return text + "Before the first time of \"store on disk\" and of \"ready\", the page cache was dropped; the other rows have the store\n" +
			"in memory as far as the rows before them left it there.\n"
	}
	return text + "Before the first time of the disk's own filesystem, of \"store on disk\", of \"ready\" and of sequential reads, the page\n" +
		"cache was dropped; \"motefs mount\" has its store in memory, and only the mount is new.\n"
}

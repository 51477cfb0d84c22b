package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// mountRow is one measure of one filesystem, and how it did.
type mountRow struct {
	what    string
	on      *mountable
	set     fileset
	reads   int64 // 0: not of so many reads
	lines   []mountLine
	measure func(ctx context.Context, b *mountBench, r *mountRow) ([]float64, error)
	samples [][]float64
	note    string // why there are no figures
}

// mountLine is a line of the table: which of a sample's figures it shows.
type mountLine struct {
	label        string // "": the row's own
	first, again int    // -1: none
	format       func(values []float64) string
}

func (r *mountRow) name() string { return r.what + ": " + r.on.name }

// fail takes the row's figures away: one run that failed spoils the others.
func (r *mountRow) fail(err error) {
	r.samples = nil
	if r.note = err.Error(); !errors.Is(err, errNotInstalled) {
		r.note = "failed: " + strings.ReplaceAll(r.note, "\n", " ")
	}
}

const (
	// readThreads is how many threads open, read and close.
	readThreads = 8
	// listedFiles is how many files ls -l lists.
	listedFiles = 100_000
	// largeSize is the length of the file that is read sequentially.
	largeSize      = 512 << 20
	largeQuickSize = 64 << 20
	// diskFiles bounds what is written as files of their own: each takes a block
	// and an inode.
	diskFiles = 1_000_000
	// besideFiles and besideReads are for the programs that ask for each file
	// when they list it, or when it is opened.
	besideFiles = 10_000
	besideReads = 2_000
	// httpdirfsReads is fewer: it took a tenth of a second for each.
	httpdirfsReads = 200
)

// The measures' names.
const (
	whatReads      = "open, read, close"
	whatGetdents   = "getdents64"
	whatList       = "ls -l"
	whatHead       = "ls -f into head"
	whatReady      = "ready"
	whatMemory     = "memory"
	whatSequential = "sequential read"
)

func both(format func([]float64) string) []mountLine {
	return []mountLine{{first: 0, again: 1, format: format}}
}

// plan is the rows, in the order of the table.
func (b *mountBench) plan() ([]*mountRow, error) {
	var rows []*mountRow
	add := func(r mountRow) {
		if b.only == nil || b.only.MatchString(r.name()) {
			rows = append(rows, &r)
		}
	}
	warm := motefsMount("motefs mount", false)
	cold := motefsMount("motefs mount, store on disk", true)
	if b.store != "" {
		set, err := b.existingStore()
		if err != nil {
			return nil, err
		}
		b.planMotefs(add, set, []*mountable{warm, cold})
		return rows, nil
	}
	of := func(files, size int64) fileset { return fileset{files: files, size: size} }
	const small = serve.DefaultBodySize
	big := of(b.files, small)
	disk := onDisk(b)
	onDiskSet := of(min(b.files, diskFiles), small)
	beside := of(min(b.files, b.scale(besideFiles)), small)
	listed := of(min(b.files, b.scale(listedFiles)), small)
	large := of(1, largeSize)
	if b.quick {
		large.size = largeQuickSize
	}

	read := func(on *mountable, set fileset, reads int64) {
		add(mountRow{what: whatReads, on: on, set: set, reads: min(reads, set.files), lines: both(perFile), measure: measureReads})
	}
	list := func(on *mountable, set fileset) {
		add(mountRow{what: whatGetdents, on: on, set: set, lines: both(rate), measure: measureGetdents})
	}
	read(floorOf, big, b.reads)
	read(warm, big, b.reads)
	if b.dropCaches {
		read(cold, big, b.reads)
	}
	read(disk, onDiskSet, b.reads)
	read(rcloneMount, beside, b.scale(besideReads))
	read(httpdirfsMount, beside, b.scale(httpdirfsReads))
	list(floorOf, big)
	list(warm, big)
	if b.dropCaches {
		list(cold, big)
	}
	list(disk, onDiskSet)
	for _, on := range []*mountable{floorOf, warm, disk} {
		add(mountRow{what: whatList, on: on, set: listed, lines: both(seconds), measure: measureShell(`ls -l "$1" >/dev/null`)})
	}
	b.planHead(add, floorOf, big)
	b.planHead(add, disk, onDiskSet)
	b.planMotefs(func(r mountRow) {
		if r.what != whatReads && r.what != whatGetdents {
			add(r)
		}
	}, big, []*mountable{warm})
	b.planLarge(add, large, warm, cold)
	return rows, nil
}

// planHead is the rows of ls that is ended after ten lines.
func (b *mountBench) planHead(add func(mountRow), on *mountable, set fileset) {
	add(mountRow{what: whatHead, on: on, set: set, lines: both(seconds), measure: measureShell(`ls -f "$1" | head >/dev/null`)})
}

// planMotefs is all rows that a store alone can have.
func (b *mountBench) planMotefs(add func(mountRow), set fileset, mounts []*mountable) {
	reads := min(b.reads, set.files)
	for _, on := range mounts {
		if on.cold && !b.dropCaches {
			continue
		}
		add(mountRow{what: whatReads, on: on, set: set, reads: reads, lines: both(perFile), measure: measureReads})
		add(mountRow{what: whatGetdents, on: on, set: set, lines: both(rate), measure: measureGetdents})
	}
	b.planHead(add, mounts[0], set)
	add(mountRow{what: whatReady, on: mounts[0], set: set, lines: both(seconds), measure: measureReady})
	add(mountRow{what: whatMemory, on: mounts[0], set: set, reads: reads, measure: measureMemory, lines: []mountLine{
		{label: "memory, mounted", first: memoryMounted, again: -1, format: megabytes},
		{label: "memory, after find", first: memoryFind, again: memoryFindAgain, format: megabytes},
		{label: fmt.Sprintf("memory, after %s reads", thousands(fmt.Sprint(reads))), first: memoryReads, again: memoryReadsAgain, format: megabytes},
		{label: "memory, peak", first: -1, again: memoryPeak, format: megabytes},
	}})
}

// planLarge is the rows of one large file.
func (b *mountBench) planLarge(add func(mountRow), set fileset, warm, cold *mountable) {
	blob := &mountable{name: "the store's file itself", cold: true, prepare: prepareStore}
	on := cold
	if !b.dropCaches {
		on = warm
	}
	what := fmt.Sprintf("%s, %d MiB", whatSequential, set.size>>20)
	add(mountRow{what: what, on: on, set: set, lines: both(throughput), measure: measureSequential})
	add(mountRow{what: what, on: blob, set: set, lines: both(throughput), measure: measureBlob})
}

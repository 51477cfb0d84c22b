package cache

import (
	"slices"
	"strings"
)

// stretchLeast is how many names of one directory in a row make a page worth comparing
// row by row, in names on average.
const stretchLeast = 8

// sortSlots sorts the names of a page that come in no order by directory and name, so
// that they are numbered, fetched and written in the store's order and the names of one
// directory make one run. It reports whether it did. The order is the same each time:
// of slots with the same names and directories in the same order.
//
// A page is left in its own order where its names ascend, as those of most origins do,
// and where each row of names of one directory ascends and rows are long.
func sortSlots(slots []slot) bool {
	if ordered(slots) {
		return false
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return a.compare(&b) })
	return true
}

// ordered reports whether a page is left in its own order.
func ordered(slots []slot) bool {
	ascending, rowsAscend, rows := true, true, 1
	for k := 1; k < len(slots); k++ {
		before, here := &slots[k-1], &slots[k]
		ascending = ascending && before.origin <= here.origin
		if before.parent != here.parent {
			rows++
		} else {
			rowsAscend = rowsAscend && before.name <= here.name
		}
	}
	return ascending || rowsAscend && rows*stretchLeast <= len(slots)
}

// Sort sorts names that come in no order, as many as the caller has and at most SortMost,
// for pages that are planned of them in the order that they have then: each has few
// directories, and names that stand close together in the store. That makes few runs
// and fast commits. Names that are the same stay in their order.
func (pl *Planner) Sort(names []Name) {
	slices.SortStableFunc(names, func(a, b Name) int { return strings.Compare(a.Origin, b.Origin) })
	pl.scattered = len(names)
}

// SortMost is how many names at most are sorted together. A refresh has to look as many
// numbers ahead.
const SortMost = 16 << 10

// sortPage sorts the slots of a page that has n names, where that is to be done, and
// reports whether their names lie anywhere in the store.
func (pl *Planner) sortPage(slots []slot, n int) bool {
	if pl.scattered == 0 {
		return sortSlots(slots)
	}
	pl.scattered = max(pl.scattered-n, 0)
	slices.SortStableFunc(slots, func(a, b slot) int { return a.compare(&b) })
	return true
}

package cache

import "slices"

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
	if ascending || rowsAscend && rows*stretchLeast <= len(slots) {
		return false
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return a.compare(&b) })
	return true
}

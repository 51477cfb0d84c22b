package cache

// listedNames is a planner's filter of the names that the listing has had, from its
// beginning on. A name that it has may be listed a second time: it becomes one of the
// conflicts, so that whichever page is committed second finds the other's entry. All
// others are known to be new, without a look at the store.
//
// It is given up where the listing turns out to be in order, which needs no filter,
// and where so many names are listed that it would say too often that it has them. The
// names after that may have been listed before; see Progress.Unchecked. A listing that
// goes on in another session has none.
type listedNames struct {
	off      bool
	filter   nameFilter
	ordered  int // names before the first page that was in no order
	suspects int
}

// listedLayers are the sizes of the filter's layers: the first is enough to tell whether
// a listing is in order. The other takes 11 million names and is wrong of 0.5 % of others then; of
// 5 % with 20 million, of 15 % with 30 million.
var listedLayers = []int{128 << 10, listedBytes - 128<<10}

const (
	// listedBytes bounds the filter, in bytes.
	listedBytes = 16 << 20
	// listedOrdered is how many names in order make a listing one that is in order.
	listedOrdered = 64 << 10
	// listedMost bounds the names in the filter, listedSuspects those that it says it
	// has, and with them what they take of the filter of conflicts.
	listedMost, listedSuspects = 32 << 20, 1 << 20
)

// init begins the filter; fresh: the store has no name of a listing.
func (l *listedNames) init(fresh bool) {
	l.filter.sizes = listedLayers
	l.off = !fresh
}

// add adds a page's names, and reports whether all that were listed before are among
// the conflicts.
func (l *listedNames) add(page *Page, c *conflicts) bool {
	switch {
	case l.ordered < 0:
	case page.sorted:
		l.ordered = -1
		// A first layer that is full would be wrong of 0.5 % of all to come.
		l.filter.room, l.filter.sizes = 0, listedLayers[1:]
	default:
		l.ordered += len(page.slots)
	}
	if l.ordered > listedOrdered || l.filter.added > listedMost || l.suspects > listedSuspects {
		*l = listedNames{off: true}
	}
	if l.off {
		return false
	}
	for k := range page.slots {
		s := &page.slots[k]
		if s.repeated {
			continue
		}
		hash := nameHash(s.parent, s.name)
		if l.filter.has(hash) {
			l.suspects++
			c.add(s.parent, s.name)
		} else {
			l.filter.add(hash)
		}
	}
	return true
}

package page

import (
	"errors"
	"net/http"

	"github.com/motefs/motefs/cache"
)

// maxFailures is how many failures are shown at a time.
const maxFailures = 50

// failure is a file that could not be fetched.
type failure struct {
	Name   shownName `json:"name"` // the origin's
	Reason string    `json:"reason"`
	Tries  int       `json:"tries"`
	When   int64     `json:"when"`  // of the last try, in seconds since 1970
	Final  bool      `json:"final"` // asking again is of no use
	// Dir and Key say where it stands in the tree.
	Dir   cache.Inode `json:"dir,string"`
	Key   string      `json:"key"`
	inode cache.Inode
}

// failureList is a part of the failures.
type failureList struct {
	Failures []failure `json:"failures"`
	// Next is the number to go on from; null: there are no more.
	Next *cache.Inode `json:"next,string"`
}

// failures answers with the files that could not be fetched, in the order of their
// numbers.
func (p *Page) failures(r *http.Request) (any, error) {
	from, err := inodeOf(r, "from", 0)
	if err != nil {
		return nil, err
	}
	l := failureList{Failures: []failure{}}
	if err := p.o.Tree.Failures(from, func(ino cache.Inode, f cache.Failure) bool {
		if len(l.Failures) == maxFailures {
			l.Next = &ino
			return false
		}
		l.Failures = append(l.Failures, failure{
			Name: shown(f.Name), Reason: f.Reason, Tries: f.Tries, When: f.When, Final: f.Verdict == cache.Final, inode: ino,
		})
		return true
	}); err != nil {
		return nil, err
	}
	for k := range l.Failures {
		f := &l.Failures[k]
		parent, name, err := p.o.Tree.Where(f.inode)
		if errors.Is(err, cache.ErrNotFound) {
			continue // it was replaced meanwhile; the failure is shown without a link
		}
		if err != nil {
			return nil, err
		}
		f.Dir, f.Key = parent, keyOf(name)
	}
	return l, nil
}

package status

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/motefs/motefs/cache"
)

// Failure is a file that could not be fetched.
type Failure struct {
	// Name is the origin's. Where it is not UTF-8, Name has U+FFFD in the place of what is
	// not, and NameBytes all of it, in base64.
	Name      string `json:"name"`
	NameBytes []byte `json:"name_bytes,omitempty"`
	// ReasonClass is a word as in failed_by_reason, Reason the whole text.
	ReasonClass string    `json:"reason_class"`
	Reason      string    `json:"reason"`
	Tries       int       `json:"tries"`
	LastTried   time.Time `json:"last_tried"`
	// Verdict is may_pass, not_there or final: what is thought of asking again.
	Verdict string `json:"verdict"`
	// Inode is the file's number, by which lists of failures go on.
	Inode uint64 `json:"inode"`
}

// The bounds of a page of failures: how many there are, and how long their names and reasons
// are together, in bytes, but for the last.
const (
	failuresPage  = 1000
	failuresBytes = 128 << 10
)

// FailuresPage is a part of the files that could not be fetched.
type FailuresPage struct {
	Failures []Failure `json:"failures"`
	// Next is the inode from which to go on; null: these were the last.
	Next *uint64 `json:"next"`
}

// Failures returns the files that could not be fetched, from an inode on. The error is
// ErrNotRunning once the Source is closed, or the store's.
func (s *Source) Failures(from uint64) (FailuresPage, error) {
	if !s.begin() {
		return FailuresPage{}, fmt.Errorf("%w: it is about to end", ErrNotRunning)
	}
	defer s.wg.Done()
	page, size := FailuresPage{Failures: []Failure{}}, 0
	err := s.o.Store.Failures(cache.Inode(from), func(ino cache.Inode, f cache.Failure) bool {
		if len(page.Failures) >= failuresPage || size >= failuresBytes {
			page.Next = new(uint64(ino))
			return false
		}
		size += len(f.Name) + len(f.Reason)
		page.Failures = append(page.Failures, FailureOf(ino, &f))
		return true
	})
	return page, err
}

// FailureOf makes one of a record of the store.
func FailureOf(ino cache.Inode, f *cache.Failure) Failure {
	verdict := map[cache.Verdict]string{cache.MayPass: "may_pass", cache.NotThere: "not_there", cache.Final: "final"}[f.Verdict]
	out := Failure{
		Name: f.Name, ReasonClass: ReasonOf(f), Reason: f.Reason, Tries: f.Tries,
		LastTried: time.Unix(f.When, 0).UTC(), Verdict: verdict, Inode: uint64(ino),
	}
	if !utf8.ValidString(f.Name) {
		out.NameBytes = []byte(f.Name)
	}
	return out
}

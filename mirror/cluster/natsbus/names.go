package natsbus

import (
	"strconv"
	"strings"
)

// subjects is a mirror's id, of which the names in NATS are made.
type subjects string

func (s subjects) prefix() string      { return "motefs." + string(s) + "." }
func (s subjects) stream() string      { return streamPrefix + string(s) }
func (s subjects) leaseBucket() string { return "motefs_lease_" + string(s) }
func (s subjects) claimBucket() string { return "motefs_claims_" + string(s) }
func (s subjects) mark() string        { return s.prefix() + "mark" }
func (s subjects) complete() string    { return s.prefix() + "complete" }
func (s subjects) items() string       { return s.prefix() + "item.>" }
func (s subjects) reports() string     { return s.prefix() + "report.*" }

func (s subjects) item(seq uint64) string { return s.prefix() + "item." + strconv.FormatUint(seq, 10) }

func (s subjects) report(process string) string { return s.prefix() + "report." + process }

// streamPrefix begins the name of a mirror's stream.
const streamPrefix = "motefs_"

// seqOf returns the segment that an item's subject names.
func seqOf(subject string) (uint64, bool) {
	_, rest, found := strings.Cut(subject, ".item.")
	rest, _, _ = strings.Cut(rest, ".")
	seq, err := strconv.ParseUint(rest, 10, 64)
	return seq, found && err == nil
}

package status

import (
	"time"

	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

// Unread is the status of a store that cannot be read, because of err.
func Unread(dir, origin, version string, err error) Status {
	return Status{
		SchemaVersion: SchemaVersion, Time: time.Now().UTC(), Version: version, Store: dir, Origin: origin,
		State: Unreadable, LastError: new(err.Error()),
	}
}

// Brief is a status in a few lines of so many columns, as in a list of stores.
func (s *Status) Brief(columns int) []string {
	origin := s.Origin
	if origin == "" {
		origin = "?"
	}
	lines := text.Wrap([]string{text.OneLine(origin)}, columns)
	words := []string{s.words()}
	if s.State == Unreadable && s.LastError != nil {
		words = append(words, text.OneLine(*s.LastError))
	} else {
		words = append(words, text.Count(s.Fetched)+" of "+text.Count(s.Listed)+" files", text.Bytes(float64(s.ContentBytes)))
	}
	if s.Failed > 0 {
		words = append(words, text.Count(s.Failed)+" failed")
	}
	if s.DiskBytes != nil {
		words = append(words, text.Bytes(float64(*s.DiskBytes))+" on the disk")
	}
	if s.Mountpoint != nil {
		words = append(words, "at "+text.OneLine(*s.Mountpoint))
	}
	for _, line := range append(text.Wrap(words, columns-2), text.Wrap([]string{text.OneLine(s.Store)}, columns-2)...) {
		lines = append(lines, "  "+line)
	}
	return lines
}

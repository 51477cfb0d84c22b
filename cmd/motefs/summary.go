package main

import (
	"fmt"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/text"
)

// summary is one line about what a store holds, and how fast it got there.
func summary(p, before cache.Progress, took time.Duration) string {
	text := fmt.Sprintf("%s listed, %s fetched (%s)", count(p.Files), count(p.Fetched), bytesText(float64(p.Bytes)))
	if p.Gone > 0 {
		text += fmt.Sprintf(", %s gone", count(p.Gone))
	}
	if p.Failed > 0 {
		text += fmt.Sprintf(", %s failed", count(p.Failed))
	}
	if p.Skipped > 0 {
		text += fmt.Sprintf(", %s names left out", count(p.Skipped))
	}
	if n := p.Fetched - min(p.Fetched, before.Fetched); n > 0 && took > 0 {
		text += fmt.Sprintf("; %s now, in %s, %s files/s", count(n), took.Round(10*time.Millisecond), count(uint64(float64(n)/took.Seconds())))
	}
	return text
}

// unmountText is the summary at an unmount. Who has only read has not worked all the time, so
// that a rate would say nothing; who has mirrored has, for as long as there was something to do.
func (m *mounted) unmountText(before cache.Progress, mounted time.Duration) string {
	p := m.store.Progress()
	if m.status.prefetch {
		return summary(p, before, m.status.Active())
	}
	line := summary(p, p, 0)
	if n := p.Fetched - min(p.Fetched, before.Fetched); n > 0 {
		line += fmt.Sprintf("; %s of them in the %s that it was mounted", count(n), text.Span(mounted))
	}
	return line
}

// failedShown is how many of the files that failed are named at the end.
const failedShown = 10

// namesFailed names the first files that failed.
func (a *app) namesFailed(store *cache.Store) {
	shown := 0
	err := store.Failures(0, func(ino cache.Inode, f cache.Failure) bool {
		if a.output.json {
			a.emit(a.stdout, status.FailureMessage{MessageType: status.MessageError, Failure: status.FailureOf(ino, &f)})
		} else {
			a.warn("failed after %s: %q: %s", counted(uint64(f.Tries), "try"), f.Name, f.Reason)
		}
		shown++
		return shown < failedShown
	})
	if err != nil {
		a.warn("the failed files cannot be listed: %v", err)
	}
}

// retryResult says what became of the files that failed before.
func (a *app) retryResult(s *session, before cache.Progress) error {
	p := s.store.Progress()
	text := fmt.Sprintf("of %s files that had failed, %s are fetched, %s are gone, and %s failed again", count(before.Failed),
		count(p.Fetched-min(p.Fetched, before.Fetched)), count(p.Gone-min(p.Gone, before.Gone)), count(p.Failed))
	if before.Failed == 0 {
		text = "no file had failed"
	}
	a.tell("%s", text)
	if err := a.failedFiles(s, p); err != nil {
		return err
	}
	if !p.Complete() {
		return fmt.Errorf("the mirror of %s is not complete; go on with it without --retry-failed", s.id)
	}
	return nil
}

// failedFiles names the first of the files that failed, and returns errFailedFiles where
// there are some.
func (a *app) failedFiles(s *session, p cache.Progress) error {
	if p.Failed == 0 {
		return nil
	}
	a.namesFailed(s.store)
	return fmt.Errorf("%w: %d of %d; list them with: motefs failures --store %s; try them again with: the same command and --retry-failed", errFailedFiles, p.Failed, p.Files, s.store.Dir())
}

// tellStore says where a store is, what it takes, and why files of it failed.
func (a *app) tellStore(s *session) {
	st := s.status.Status()
	if st.Failed > 0 && st.FailedByReason != nil {
		a.tell("failed: %s", st.FailedText())
	}
	line := "the store is " + st.Store
	if st.DiskBytes != nil {
		line += ", " + bytesText(float64(*st.DiskBytes)) + " on the disk"
	}
	a.tell("%s", line)
}

// nextStep is what to do after a mirror that ended with err, empty where that says it.
func nextStep(s *session, err error) string {
	if err != nil {
		return ""
	}
	if s.as == "" {
		return "motefs mount, with the same flags and a MOUNTPOINT"
	}
	return "motefs mount " + s.as + " MOUNTPOINT"
}

// summaryJSON is the last line on standard output of a mirror with --json.
func (a *app) summaryJSON(s *session, err error) {
	if !a.output.json {
		return
	}
	st := s.status.Status()
	m := status.Message{MessageType: status.MessageSummary, Status: &st}
	if next := nextStep(s, err); next != "" {
		m.Next = &next
	}
	a.emit(a.stdout, m)
}

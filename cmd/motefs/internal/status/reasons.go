package status

import (
	"context"
	"errors"
	"strings"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
)

// The bounds of failed_by_reason: how many records are read for it, and how many different
// reasons it has.
const (
	maxCounted = 100_000
	maxReasons = 32
)

// The reasons of failed_by_reason that are of no error of their own.
const (
	OtherReason = "other"       // none of those below, or one reason too many
	NotCounted  = "not_counted" // behind the first maxCounted
)

// reasons are the words for errors, by what their text has. The first that fits counts.
var reasons = []struct {
	text   string
	reason string
}{
	{mirror.ErrTooLarge.Error(), "too_large"},
	{mirror.ErrRedirect.Error(), "redirect"},
	{mirror.ErrChecksum.Error(), "checksum"},
	{mirror.ErrCut.Error(), "cut_short"},
	{mirror.ErrFraming.Error(), "malformed"},
	{mirror.ErrUnreachable.Error(), "unreachable"},
	{mirror.ErrChanged.Error(), "changed"},
}

// answeredText and statusText are what stands before the three digits of an answer's
// status, the first in a StatusError, both in S3's refusals.
const answeredText, statusText = "answered ", "status "

// ReasonOf is the word for why a file failed: http_404 for an answer of that status, one of
// the words above, or "other". It is one of a few hundred, whatever the origin says.
func ReasonOf(f *cache.Failure) string { return reasonOf(f.Reason) }

func reasonOf(text string) string {
	_, rest, _ := strings.Cut(text, answeredText)
	if rest = strings.TrimPrefix(rest, statusText); len(rest) >= 3 {
		if code := rest[:3]; strings.Trim(code, "0123456789") == "" {
			return "http_" + code
		}
	}
	for _, r := range reasons {
		if strings.Contains(text, r.text) {
			return r.reason
		}
	}
	return OtherReason
}

// countFailures counts the records of failed files by their reasons.
func countFailures(ctx context.Context, store Store) (map[string]uint64, error) {
	counts, counted := map[string]uint64{}, uint64(0)
	if store.Progress().Failed == 0 {
		return counts, nil
	}
	err := store.Failures(0, func(_ cache.Inode, f cache.Failure) bool {
		reason := ReasonOf(&f)
		if _, ok := counts[reason]; !ok && len(counts) >= maxReasons {
			reason = OtherReason
		}
		counts[reason]++
		counted++
		return counted < maxCounted && ctx.Err() == nil
	})
	if errors.Is(err, errors.ErrUnsupported) { // the reasons stand where nobody reads them for this
		return map[string]uint64{NotCounted: store.Progress().Failed}, nil
	}
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if p := store.Progress(); counted >= maxCounted && p.Failed > counted {
		counts[NotCounted] = p.Failed - counted
	}
	return counts, nil
}

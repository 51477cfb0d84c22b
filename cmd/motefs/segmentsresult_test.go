package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/mirror/cluster"
)

// noProgress is a mirror in segments of which nothing is known.
type noProgress struct{ *segmentsProgress }

func (noProgress) Progress() cache.Progress { return cache.Progress{} }

func (noProgress) Run() (files, bytes *uint64) { return nil, nil }

func (noProgress) Dir() string { return "" }

// TestStoppedWhenComplete: of a mirror that is complete nobody says that it is not, whatever ends
// the process after that.
func TestStoppedWhenComplete(t *testing.T) {
	for _, why := range []error{context.Canceled, errors.New("remove contents/1: denied")} {
		var out bytes.Buffer
		a := newApp(&out, &out)
		m := &segmentsMirror{url: "file:///objects", of: &segmentsFlags{url: "file:///objects"}, status: status.New(status.Options{Store: noProgress{}})}
		defer m.status.Close()
		err := a.segmentsResult(m, cluster.Result{Complete: true}, why, time.Second)
		if text := out.String(); !errors.Is(err, why) || strings.Contains(text+err.Error(), "not complete") || !strings.Contains(text, "is complete") {
			t.Errorf("%v: it says %q and %v", why, text, err)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/mirror/cluster"
	"github.com/motefs/motefs/mirror/objects"
)

// noProgress is a mirror in segments of which nothing is known.
type noProgress struct{ *segmentsProgress }

func (noProgress) Progress() cache.Progress { return cache.Progress{} }

func (noProgress) Run() (files, bytes *uint64) { return nil, nil }

func (noProgress) Since(p cache.Progress) cache.Progress { return p }

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

// TestStoppedWithoutRoom: who has no room is told to make some, be it on this machine or where the mirror is.
func TestStoppedWithoutRoom(t *testing.T) {
	for want, why := range map[string]error{
		"not complete, make room, then run the same command again": fmt.Errorf("segment 1: %w", syscall.ENOSPC),
		"; make room there; the mirror of":                         hiding{&objects.OpError{Op: "put", Name: "names/1", Dir: "/objects", Err: fmt.Errorf("%w: %w", objects.ErrAway, syscall.ENOSPC)}},
	} {
		var out bytes.Buffer
		a := newApp(&out, &out)
		m := &segmentsMirror{id: "http://h", url: "file:///objects", of: &segmentsFlags{url: "file:///objects"}, status: status.New(status.Options{Store: noProgress{}})}
		defer m.status.Close()
		if err := a.segmentsResult(m, cluster.Result{}, why, time.Second); !strings.Contains(err.Error(), want) || !errors.Is(err, why) {
			t.Errorf("it says %v, and not %q", err, want)
		}
	}
}

// hiding is an error that does not tell which one of the system it is, as those of an object store, which
// are not those of a local disk.
type hiding struct{ error }

func (h hiding) As(target any) bool { return errors.As(h.error, target) }

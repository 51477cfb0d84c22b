package mirror_test

import (
	"context"
	"errors"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestCheckpointMovesWhileTheListingIsAhead stops a mirror whose pages come faster than
// their files: the next one asks for none of the first pages again.
func TestCheckpointMovesWhileTheListingIsAhead(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		const files = 150_000
		r := newRig(t, serve.Options{PageSize: 997}, serve.NewSynthetic(serve.SyntheticOptions{Files: files, Shuffle: shuffle}))
		slow := func(o *mirror.Options) { o.LimitFiles, o.Connections = 75_000, 2 }
		e := r.engine(slow)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		eventually.True(t, "files", func() bool { return r.server.Counts().Gets >= 3*files/4 })
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		r.must(e.Close())
		at := int64(0)
		for from := r.store.Progress().Marker; from != ""; { // what is left of the listing
			page, err := r.client.List(t.Context(), from)
			r.must(err)
			names, _, err := page.Decode(nil, 1000, nil)
			r.must(err)
			at += int64(len(names))
			from = page.Next
		}
		if at = files - at; at < files/4 || at == files {
			t.Errorf("shuffled %v: the checkpoint is behind %d names, and %d files are here", shuffle, at, r.store.Progress().Fetched)
		}
	}
}

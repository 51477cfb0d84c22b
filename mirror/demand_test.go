package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestHangingFilesLeaveOthersAlone has readers of more files on which the origin
// hangs than are asked for at once; a file that it answers must come all the
// same.
func TestHangingFilesLeaveOthersAlone(t *testing.T) {
	const hanging = 200
	var names []string
	for i := range hanging {
		names = append(names, fmt.Sprintf("d%03d/hangs", i))
	}
	r := newRig(t, serve.Options{}, named(append(names, "well")...))
	asked := make(chan struct{}, hanging)
	r.server.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		if strings.HasSuffix(string(name), "hangs") {
			asked <- struct{}{}
			return origintest.Fault{Mode: origintest.Hang}
		}
		return origintest.Fault{}
	}})
	r.must(r.run(func(o *mirror.Options) { o.Prefetch = false }))
	e := r.engine(func(o *mirror.Options) { o.Prefetch = false })
	var wg sync.WaitGroup
	for i := range hanging {
		wg.Go(func() {
			dir, err := r.store.Lookup(cache.RootInode, fmt.Sprintf("d%03d", i))
			if err == nil {
				_, err = e.Fetch(context.Background(), dir.Inode, "hangs")
			}
			if !errors.Is(err, mirror.ErrClosed) && !errors.Is(err, context.Canceled) {
				t.Errorf("a file that hangs: %v", err)
			}
		})
	}
	for range 64 {
		<-asked
	}
	if entry, err := e.Fetch(context.Background(), cache.RootInode, "well"); err != nil || !entry.Here() {
		t.Errorf("%+v, %v", entry, err)
	}
	r.must(e.Close())
	wg.Wait()
}

package mirror_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin/origintest"
)

func TestSeek(t *testing.T) {
	r, h := longRig(t, 40*mib+5, mib)
	e := r.engine(nil)
	entry := r.fetch(e)
	r.sees(e, h, entry, 0, 40*mib-100, 105) // over a part's end
	r.sees(e, h, entry, 0, 40*mib-100, 50)
	r.sees(e, h, entry, 0, 30*mib-8, 128<<10)
	if n := r.server.Counts().Status[206]; n != 4 {
		t.Errorf("%d ranges", n)
	}
	h.release()
	r.whole(e, h, 0)
}

// A reader that goes on after a seek gets the next parts ahead; one that jumps
// about does not.
func TestReadOnAfterSeek(t *testing.T) {
	r, h := longRig(t, 40*mib, mib)
	e := r.engine(nil)
	entry := r.fetch(e)
	ranges := func() int64 { return r.server.Counts().Status[206] }
	for _, off := range []int64{35 * mib, 33 * mib, 31 * mib} {
		r.sees(e, h, entry, 0, off, 128<<10)
	}
	if n := ranges(); n != 3 {
		t.Errorf("%d ranges after 3 jumps", n)
	}
	r.sees(e, h, entry, 0, 20*mib, 128<<10)
	r.sees(e, h, entry, 0, 21*mib, 128<<10)
	for ranges() < 3+2+2 { // 22 and 23, which nobody has read
		time.Sleep(time.Millisecond)
	}
	r.sees(e, h, entry, 0, 22*mib, 128<<10)
	r.sees(e, h, entry, 0, 39*mib, 128<<10)
	h.release()
	r.whole(e, h, 0)
	if n := ranges(); n > 3+2+4+1 {
		t.Errorf("%d ranges", n)
	}
}

// TestSeekWithoutRange has all the ways in which an origin does not serve a part.
// The reader waits for the stream then, and the origin is not asked again.
func TestSeekWithoutRange(t *testing.T) {
	for what, fault := range map[string]origintest.Fault{
		"ignored":       {NoRange: true},
		"another part":  {ContentRange: "bytes 0-1048575/16777216"},
		"another total": {ContentRange: "bytes 15728640-16777215/16777217"},
		"no total":      {ContentRange: "bytes 15728640-16777215/*"},
		"status 416":    {Status: 416},
		"status 403":    {Status: 403},
		"status 503":    {Status: 503},
		"cut":           {Mode: origintest.CutBody, N: 1000},
		"another ETag":  {Header: map[string]string{"ETag": `"other"`}},
	} {
		t.Run(what, func(t *testing.T) {
			r, h := longRig(t, 16*mib, mib)
			asked := make(chan struct{}, 100)
			r.server.SetFaults(origintest.Faults{OnRange: func([]byte, string) origintest.Fault {
				asked <- struct{}{}
				return fault
			}})
			e := r.engine(nil)
			entry := r.fetch(e)
			var wg sync.WaitGroup
			wg.Go(func() { r.sees(e, h, entry, 0, 16*mib-100, 100) })
			<-asked
			h.release()
			wg.Wait()
			r.whole(e, h, 0)
			if n := len(asked); n > 2 {
				t.Errorf("asked %d times more", n)
			}
		})
	}
}

// TestPartsOfAnotherVersion has ranges of a version that cannot be told from the
// stream's but by its bytes.
func TestPartsOfAnotherVersion(t *testing.T) {
	r, h := longRig(t, 32*mib, mib)
	e := r.engine(nil)
	entry := r.fetch(e)
	r.sees(e, h, entry, 0, 0, 1000)
	h.set(func() { h.mu.version = 1 })
	r.sees(e, h, entry, 1, 20*mib, 1000)
	h.release()
	p := make([]byte, 100)
	if _, _, err := e.ReadAt(context.Background(), entry.Inode, p, 31*mib, time.Minute); err == nil {
		// It may have been read by a range before the stream came to 20 MiB.
		for err == nil {
			_, err = e.Arriving(entry.Inode)
			runtime.Gosched()
		}
	}
	if _, err := e.Arriving(entry.Inode); !errors.Is(err, mirror.ErrChanged) {
		t.Errorf("the stream's own bytes come to %v", err)
	}
	r.fetch(e)
	e.Shown(entry.Inode)
	r.whole(e, h, 1)
}

package replica

import (
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/process"
)

// TestKilledReplica kills a process that reads a mirror, at any moment, again and again: what is in
// its store is right each time, and what was brought once mostly is there.
func TestKilledReplica(t *testing.T) {
	forSeeds(t, (seeds+1)/2, func(t *testing.T, seed uint64, o worldOptions) {
		at := t.TempDir()
		objects, err := newFolder(filepath.Join(at, "objects"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = objects.Close() })
		w := newWorld(t, seed, objects, o)
		w.grow(1 + o.files/20)
		w.seal(nil)
		dir := filepath.Join(at, "store")
		random := rand.New(rand.NewPCG(seed, 5))
		for k := range 6 {
			p := process.Start(t, process.Self(t, childVar, partRead, filepath.Join(at, "objects"), dir))
			if k%4 == 3 {
				p.Says("all read")
			} else {
				time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond) // the moment is what varies
			}
			if w.listed < len(w.listing)-1 {
				w.grow(1 + random.IntN(len(w.listing)-w.listed-1))
				w.seal(nil)
			}
			p.Signal(syscall.SIGKILL)
			p.Wait()
		}
		r := opened(t, dir, objects)
		if r.Status().NamesHere == 0 {
			t.Error("nothing of what was brought is here")
		}
		rd := newReader(r, seed)
		w.must(w.checkAll(t.Context(), rd))
		w.must(w.checkSome(t.Context(), rd, 20))
	})
}

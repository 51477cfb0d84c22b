package mirror_test

import (
	"math/rand/v2"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// power is a store's disk, in memory, whose power can be cut. What is left of it then
// is the disk of the next process.
type power struct {
	disk *vfs.MemFS
	mu   struct {
		sync.Mutex
		rng   *rand.Rand
		moves int // until the power is cut: disk writes, and what else is told to move; 0: not at all
		left  *vfs.MemFS
		told  func() // of the cut
	}
}

func newPower(disk *vfs.MemFS, rng *rand.Rand) *power {
	p := &power{disk: disk}
	p.mu.rng = rand.New(rand.NewPCG(rng.Uint64(), 0))
	return p
}

// fs is the disk, each write to which is a move.
func (p *power) fs() vfs.FS {
	return errorfs.Wrap(p.disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			p.move()
		}
		return nil
	}))
}

// cutAfter has the power be cut after that many moves, and told be called then.
func (p *power) cutAfter(moves int, told func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.moves, p.mu.told = moves, told
}

// move is one step towards the cut.
func (p *power) move() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.moves > 0 {
		if p.mu.moves--; p.mu.moves == 0 {
			p.cutLocked()
			p.mu.told()
		}
	}
}

func (p *power) cutLocked() {
	if p.mu.left == nil {
		p.mu.left = p.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.mu.rng.IntN(101), RNG: p.mu.rng})
	}
}

// left cuts the power, unless it is cut, and returns what survived.
func (p *power) left() *vfs.MemFS {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutLocked()
	return p.mu.left
}

// on calls fn unless the power is cut, which it is not before fn returns.
func (p *power) on(fn func()) (is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if is = p.mu.left == nil; is {
		fn()
	}
	return is
}

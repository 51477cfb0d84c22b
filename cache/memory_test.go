package cache

import "testing"

func TestMemoryFits(t *testing.T) {
	const mib = 1 << 20
	for memory, want := range map[int64][3]int64{
		0:          {96 * mib, 32 * mib, 4 * mib},
		1 << 40:    {96 * mib, 32 * mib, 4 * mib},
		1024 * mib: {96 * mib, 32 * mib, 4 * mib},
		256 * mib:  {32 * mib, 16 * mib, 4 * mib},
		128 * mib:  {16 * mib, 8 * mib, 2 * mib},
		1:          {8 * mib, 4 * mib, mib / 2},
	} {
		o := Options{Memory: memory}
		if got := [3]int64{o.blockCache(), o.memTable(), int64(o.batchLimit())}; got != want {
			t.Errorf("of %d MiB the store takes %v", memory/mib, got)
		}
		if got := o.OffHeap(); manualMemory && got != want[0]+2*want[1] || !manualMemory && got != 0 {
			t.Errorf("of %d MiB %d are outside of Go's heap", memory/mib, got)
		}
	}
}

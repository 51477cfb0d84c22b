package cache

import (
	"fmt"
	"testing"
)

// TestNameFilter adds as many names as a filter is made for, and then more: it never
// misses one, and is wrong of a few others.
func TestNameFilter(t *testing.T) {
	const kib = 1 << 10 / share
	f := nameFilter{sizes: []int{4 * kib, 16 * kib, 64 * kib}}
	if f.has(nameHash(1, "a")) {
		t.Error("an empty filter has a name")
	}
	made := 84 * kib * 8 / filterBits
	for _, n := range []int{made, 20 * made} {
		for i := f.added; i < n; i++ {
			f.add(nameHash(Inode(i%7), fmt.Sprint(i)))
		}
		wrong := 0
		for i := range n {
			if !f.has(nameHash(Inode(i%7), []byte(fmt.Sprint(i)))) {
				t.Fatalf("name %d of %d is missing", i, n)
			}
			if f.has(nameHash(Inode(i%7), fmt.Sprint(-1-i))) {
				wrong++
			}
		}
		share := float64(wrong) / float64(n)
		t.Logf("%d names, %.4f wrong", n, share)
		if n == made && share > 0.03 {
			t.Errorf("it is wrong of %.4f of the names that it does not have", share)
		}
	}
	if len(f.layers) != 3 {
		t.Errorf("%d layers", len(f.layers))
	}
}

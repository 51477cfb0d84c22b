package workdir

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSweep has a process be killed: what it left is removed by the next, and what others hold
// or have put there stays.
func TestSweep(t *testing.T) {
	base := filepath.Join(t.TempDir(), "a", "b")
	first, err := Make(base)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := first.Sub("scratch")
	if err != nil {
		t.Fatal(err)
	}
	killed, err := Make(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed.Path(), "table"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := killed.lock.Close(); err != nil { // as the kernel does
		t.Fatal(err)
	}
	other := filepath.Join(base, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	second, err := Make(base)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{sub: true, second.Path(): true, other: true, killed.Path(): false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", path, err, want)
		}
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(base); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
}

package folder

import (
	"testing"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestFolder(t *testing.T) {
	objectstest.Run(t, func(t *testing.T) objects.Store { return open(t, t.TempDir()) })
}

// TestLongListing reads a folder several times, as it does one with very many entries.
func TestLongListing(t *testing.T) {
	objectstest.Run(t, func(t *testing.T) objects.Store {
		s := open(t, t.TempDir())
		s.listAtOnce = 2
		return s
	})
}

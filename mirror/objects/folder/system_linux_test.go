package folder

import (
	"testing"

	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/objectstest"
)

// TestFolderWithoutLinks has a filesystem that has none.
func TestFolderWithoutLinks(t *testing.T) {
	objectstest.Run(t, func(t *testing.T) objects.Store {
		s := open(t, t.TempDir())
		s.link = s.renameNew
		return s
	})
}

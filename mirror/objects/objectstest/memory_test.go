package objectstest

import (
	"testing"

	"github.com/motefs/motefs/mirror/objects"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) objects.Store { return New(Options{}) })
}

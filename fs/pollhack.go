//go:build linux

package fs

import (
	"sync"
	_ "unsafe" // for go:linkname
)

// pollHackName is a name that go-fuse keeps for itself: it answers a LOOKUP of it in the
// root by an empty file, which its WaitMount opens and polls (fuse/poll.go; golang/go#21014).
// Here nobody calls WaitMount, and an origin may have a file of that name.
const pollHackName = ".go-fuse-epoll-hack"

// handler is go-fuse's operationHandler (fuse/opcode.go, v2.12.1).
type handler struct {
	_         int
	name      string
	_         func()
	_, _      uintptr
	_, _      any
	fileNames int
}

// handlers are go-fuse's, by their opcodes. There is no option to turn the name off,
// and the root's NodeID, at which it looks, is the protocol's. Besides the name it
// looks at fileNames, which nothing else needs but its debug log.
//
//go:linkname handlers github.com/hanwen/go-fuse/v2/fuse.operationHandlers
var handlers []*handler

// freePollHackName has LOOKUPs of that name come here like all others. Another version
// of go-fuse may have another table: it is left alone then, and TestNameOfGoFuse fails.
var freePollHackName = sync.OnceFunc(func() {
	const opLookup, opRename = 1, 12 // include/uapi/linux/fuse.h
	if len(handlers) <= opRename {
		return
	}
	lookup, rename := handlers[opLookup], handlers[opRename]
	if lookup.name == "LOOKUP" && lookup.fileNames == 1 && rename.name == "RENAME" && rename.fileNames == 2 {
		lookup.fileNames = 0
	}
})

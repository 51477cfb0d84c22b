package clustertest

import (
	"sync"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
)

// gate lets requests pass, but for while it is shut. The zero value is open.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // nil while it is open
}

// shut has requests wait.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

// open lets pass all that wait.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// pass waits while the gate is shut.
func (g *gate) pass() {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	if opened != nil {
		<-opened
	}
}

// openPages are the first pages of a listing, with names for seven segments: three that are committed, and
// fewer than three processes have slots.
const openPages = 5

// takes is how long the origin takes for a file, and for a page of names.
func (r *run) takes(delay, listing time.Duration) {
	r.origin.SetFaults(origintest.Faults{
		OnGet: func([]byte, int) origintest.Fault {
			r.files.pass()
			return origintest.Fault{Delay: delay}
		},
		OnList: func(marker string, _ int) origintest.Fault {
			if marker != "" && r.turned.Add(1) >= openPages { // all ask for the first one
				r.pages.pass()
			}
			return origintest.Fault{Delay: listing}
		},
	})
}

// goOn opens the origin's gates.
func (r *run) goOn() {
	r.files.open()
	r.pages.open()
}

package fs

import (
	"context"
	"errors"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// A mount that serves is alive while a program waits for the origin, and one that has
// ended is nobody's trouble.
func TestAlive(t *testing.T) {
	g := newGate()
	r := newRig(t, newFakeStore(), g.fetch)
	ctx := t.Context()
	if err := r.m.Alive(ctx); err != nil {
		t.Errorf("before anybody came: %v", err)
	}
	c := startChild(t, "open", r.path("missing"))
	c.Line()
	<-g.asked
	for range 3 {
		before := r.m.Stats().GetAttrs
		if err := r.m.Alive(ctx); err != nil {
			t.Errorf("while a program waits: %v", err)
		}
		if r.m.Stats().GetAttrs == before {
			t.Error("nothing was asked")
		}
	}
	r.close()
	if err := r.m.Alive(ctx); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// stuck is a filesystem that does not say the attributes of anything until it is let.
type stuck struct {
	fuse.RawFileSystem
	hung, let chan struct{}
}

func (s *stuck) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	close(s.hung)
	<-s.let
	return s.RawFileSystem.GetAttr(cancel, in, out)
}

// A handler that does not come back is found out, and asked only once.
func TestNotAlive(t *testing.T) {
	s := &stuck{hung: make(chan struct{}), let: make(chan struct{})}
	r := newRig(t, tree(), nil, func(o *Options) {
		o.between = func(answers fuse.RawFileSystem) fuse.RawFileSystem {
			s.RawFileSystem = answers
			return s
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-s.hung; cancel() }()
	if err := r.m.Alive(ctx); !errors.Is(err, errNoAnswer) {
		t.Errorf("a mount that hangs: %v", err)
	}
	if err := r.m.Alive(t.Context()); !errors.Is(err, errNoAnswer) {
		t.Errorf("again: %v", err)
	}
	close(s.let)
}

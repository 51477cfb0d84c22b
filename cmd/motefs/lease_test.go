package main

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// A reader asks for a file that no page lists; while the origin holds it back, the
// listing comes to its end, and the kernel keeps the directory without the file.
func TestUnlistedFileComesAfterTheListing(t *testing.T) {
	s := serveTest(t, serve.Options{PageSize: 1}, filesNamed("a", "z", "extra"))
	list, get := make(chan struct{}), make(chan struct{})
	goOnListing, goOnGetting := sync.OnceFunc(func() { close(list) }), sync.OnceFunc(func() { close(get) })
	t.Cleanup(goOnListing)
	t.Cleanup(goOnGetting)
	s.SetFaults(origintest.Faults{
		OnList: func(marker string, _ int) origintest.Fault {
			if marker == "" {
				return origintest.Fault{}
			}
			<-list
			return origintest.Fault{Body: []byte(`{"FileNames":["z"]}`)}
		},
		OnGet: func(name []byte, _ int) origintest.Fault {
			if string(name) == "extra" {
				<-get
			}
			return origintest.Fault{}
		},
	})
	m := startMount(t, s.URL())
	reader := process.Start(t, process.Command("cat", filepath.Join(m.dir, "extra")))
	eventually.True(t, "a get", func() bool { return s.Gets("extra") > 0 })
	goOnListing()
	m.Logs("every name is listed")
	for range 3 {
		if got := process.MustRun(t, "ls", m.dir); got != "a\nz\n" {
			t.Errorf("ls shows %q", got)
		}
	}
	goOnGetting()
	if reader.Wait(); reader.Stdout.String() != "body of extra" {
		t.Errorf("it reads %s", reader)
	}
	eventually.True(t, "it is listed", func() bool { return process.MustRun(t, "ls", m.dir) == "a\nextra\nz\n" })
	m.stop()
}

// A file that failed turns out to be gone in the run that completes the listing,
// long after the kernel has kept the directory with it.
func TestFailedFileGoesAfterTheListing(t *testing.T) {
	t.Parallel()
	src := filesNamed("here", "gone")
	src.Vanish("gone")
	s := serveTest(t, serve.Options{}, src)
	m := startMount(t, s.URL(), "--prefetch-all")
	eventually.True(t, "the listing is complete", func() bool { return xattr(t, m.dir, "user.motefs.state") == "listed" })
	for range 3 {
		if got := process.MustRun(t, "ls", m.dir); got != "gone\nhere\n" {
			t.Errorf("ls shows %q", got)
		}
	}
	m.Logs("mirror is complete")
	eventually.True(t, "it goes", func() bool { return !strings.Contains(process.MustRun(t, "ls", m.dir), "gone") })
	m.stop()
}

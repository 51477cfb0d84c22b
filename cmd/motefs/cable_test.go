package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// cable is two network namespaces with a cable between.
type cable struct {
	t    *testing.T
	ends [2]*process.Process // whose namespaces they are
}

// The addresses of its ends.
var cableEnds = [2]string{"10.77.77.1", "10.77.77.2"}

func newCable(t *testing.T) *cable {
	t.Helper()
	needRoot(t)
	need(t, "unshare", "nsenter", "ip")
	c := &cable{t: t}
	for i := range c.ends {
		c.ends[i] = startUser(t, "unshare", "-n", "sh")
		c.ends[i].Eval("ip link set lo up")
	}
	c.ends[0].Eval(fmt.Sprintf("ip link add end0 type veth peer name end1 netns %d", c.ends[1].Pid()))
	for i, end := range c.ends {
		if out := end.Eval(fmt.Sprintf("ip addr add %s/30 dev end%d; ip link set end%d up", cableEnds[i], i, i)); out != "" {
			t.Fatalf("no cable: %s", out)
		}
	}
	return c
}

// set plugs the far end in or pulls it out: all packets are lost, and nobody is told.
func (c *cable) set(state string) { c.ends[1].Eval("ip link set end1 " + state) }

// motefs is a command at an end.
func (c *cable) motefs(end int, args ...string) *process.Process {
	cmd := motefs(c.t, args...)
	at := process.Command("nsenter", append([]string{"-t", fmt.Sprint(c.ends[end].Pid()), "-n"}, cmd.Args...)...)
	at.Env = cmd.Env
	return process.Start(c.t, at)
}

// TestCableIsPulled has every packet to the origin be lost in the middle of a mirror, and
// the origin killed meanwhile: its connections are never ended. What is here is served,
// and once the origin is back the mirror goes on.
func TestCableIsPulled(t *testing.T) {
	t.Parallel()
	c := newCable(t)
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 6000})
	origin := func() *process.Process {
		p := c.motefs(1, "serve", "--synthetic", fmt.Sprint(src.Len()), "--page-size", "100", "--latency", "40ms", "--listen", cableEnds[1]+":8080")
		p.Says("origin at ")
		return p
	}
	killed := origin()
	m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	t.Cleanup(m.clear)
	m.Process = c.motefs(0, "mount", "--prefetch-all", "--store", m.store, "http://"+cableEnds[1]+":8080", m.dir)
	m.Says("serving")
	eventually.True(t, "the first files", func() bool { return shell(t, `ls -U "$1" | head -n 100 | wc -l`, m.dir) == "100\n" })
	reads(t, m.dir, src, 100)
	c.set("down")
	if long() { // else they go on where they were
		killed.Signal(syscall.SIGKILL)
		killed.Wait()
	}
	var took time.Duration
	for end := time.Now().Add(lasts()); time.Now().Before(end); {
		took = max(took, reads(t, m.dir, src, 100))
	}
	check := m.waiting(src)
	if strings.Contains(m.Stderr.String(), "mirror is complete") {
		t.Error("the trouble came too late")
	}
	if long() {
		origin()
	}
	c.set("up")
	m.Logs("the mirror is complete")
	check()
	reads(t, m.dir, src, src.Len())
	c.set("down")
	began := time.Now()
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
		t.Errorf("status %d, mounts %q: %s", status, mountsBelow(m.dir), m)
	}
	t.Logf("unmounted in %v; 100 files and a directory read in at most %v", time.Since(began), took)
	finish(t, exitOK, "verify", "--store", m.store)
}

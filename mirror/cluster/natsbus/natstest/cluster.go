package natstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// Cluster is some servers of NATS, each a process.
type Cluster struct {
	tb    testing.TB
	nodes []*node
	admin *nats.Conn
	js    jetstream.JetStream
}

type node struct {
	dir    string
	client string           // where it listens to clients
	link   *Link            // to it from clients
	routes []*Link          // from it to each other node; nil for itself
	proc   *process.Process // nil while it is down
}

// name is that of node i.
func name(i int) string { return fmt.Sprintf("n%d", i) }

// New starts n servers, one cluster where there are several, and waits until they work. They end
// with the test.
func New(tb testing.TB, n int) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	ports, free := reservePorts(tb, 2*n)
	for i := range n {
		d := &node{dir: tb.TempDir(), client: ports[2*i], routes: make([]*Link, n)}
		d.link = newLink(tb, d.client)
		for j := range n {
			if j != i {
				d.routes[j] = newLink(tb, ports[2*j+1])
			}
		}
		c.nodes = append(c.nodes, d)
		c.configure(i, ports[2*i+1])
	}
	free()
	for i := range n {
		c.Start(i)
	}
	var err error
	c.admin, err = nats.Connect(c.direct(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err == nil {
		c.js, err = jetstream.New(c.admin)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.admin.Close)
	c.Await()
	return c
}

// reservePorts returns addresses that nobody gets until free is called.
func reservePorts(tb testing.TB, n int) (addrs []string, free func()) {
	tb.Helper()
	var all []net.Listener
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		all, addrs = append(all, ln), append(addrs, ln.Addr().String())
	}
	return addrs, func() {
		for _, ln := range all {
			_ = ln.Close()
		}
	}
}

// configure writes the configuration of node i.
func (c *Cluster) configure(i int, routes string) {
	d := c.nodes[i]
	text := fmt.Sprintf("listen: %q\nserver_name: %s\nclient_advertise: %q\njetstream {\n store_dir: %q\n max_mem: 64MB\n max_file: 1GB\n}\n",
		d.client, name(i), d.link.Addr, filepath.Join(d.dir, "store"))
	if len(d.routes) > 1 {
		text += fmt.Sprintf("cluster {\n name: test\n listen: %q\n no_advertise: true\n routes: [\n", routes)
		for _, l := range d.routes {
			if l != nil {
				text += fmt.Sprintf("  \"nats://%s\"\n", l.Addr)
			}
		}
		text += " ]\n}\n"
	}
	if err := os.WriteFile(d.config(), []byte(text), 0o600); err != nil {
		c.tb.Fatal(err)
	}
}

func (d *node) config() string { return filepath.Join(d.dir, "nats.conf") }

// URL names all servers, through their links.
func (c *Cluster) URL() string {
	var urls []string
	for _, d := range c.nodes {
		urls = append(urls, "nats://"+d.link.Addr)
	}
	return strings.Join(urls, ",")
}

// Way is how one client reaches all servers, by links of its own.
type Way struct{ links []*Link }

// Way makes a way for one client, which ends with the test.
func (c *Cluster) Way(tb testing.TB) *Way {
	w := &Way{}
	for _, d := range c.nodes {
		w.links = append(w.links, newLink(tb, d.client))
	}
	return w
}

// URL names all servers, by this way.
func (w *Way) URL() string {
	var urls []string
	for _, l := range w.links {
		urls = append(urls, "nats://"+l.Addr)
	}
	return strings.Join(urls, ",")
}

// Cut cuts the client off all servers.
func (w *Way) Cut() { w.each((*Link).Cut) }

// Mend ends Cut.
func (w *Way) Mend() { w.each((*Link).Mend) }

func (w *Way) each(do func(*Link)) {
	for _, l := range w.links {
		do(l)
	}
}

func (c *Cluster) direct() string {
	var urls []string
	for _, d := range c.nodes {
		urls = append(urls, "nats://"+d.client)
	}
	return strings.Join(urls, ",")
}

// Link is what clients reach server i through.
func (c *Cluster) Link(i int) *Link { return c.nodes[i].link }

// CutAll cuts the clients off all servers, which still have each other.
func (c *Cluster) CutAll() {
	for _, d := range c.nodes {
		d.link.Cut()
	}
}

// MendAll ends CutAll.
func (c *Cluster) MendAll() {
	for _, d := range c.nodes {
		d.link.Mend()
	}
}

// Isolate cuts server i off the other servers, in both directions. Clients still reach it.
func (c *Cluster) Isolate(i int) { c.eachRoute(i, (*Link).Cut) }

// Rejoin ends Isolate.
func (c *Cluster) Rejoin(i int) { c.eachRoute(i, (*Link).Mend) }

func (c *Cluster) eachRoute(i int, do func(*Link)) {
	for j, d := range c.nodes {
		if j != i {
			do(d.routes[i])
			do(c.nodes[i].routes[j])
		}
	}
}

// Start starts server i, which is down.
func (c *Cluster) Start(i int) {
	c.tb.Helper()
	d := c.nodes[i]
	if d.proc != nil {
		c.tb.Fatalf("server %d is up", i)
	}
	cmd := process.Self(c.tb, part, d.config())
	d.proc = process.Start(c.tb, cmd)
}

// Kill ends server i as kill -9 does.
func (c *Cluster) Kill(i int) {
	d := c.nodes[i]
	if d.proc != nil {
		d.proc.Kill()
		d.proc = nil
	}
}

// Wipe deletes what server i, which is down, has on its disk.
func (c *Cluster) Wipe(i int) {
	c.tb.Helper()
	d := c.nodes[i]
	if d.proc != nil {
		c.tb.Fatalf("server %d is up", i)
	}
	if err := os.RemoveAll(filepath.Join(d.dir, "store")); err != nil {
		c.tb.Fatal(err)
	}
}

// Process is server i while it is up: its id, and what it prints.
func (c *Cluster) Process(i int) *process.Process { return c.nodes[i].proc }

// Await waits until streams can be made on all servers that were started.
func (c *Cluster) Await() {
	c.tb.Helper()
	up := 0
	for _, d := range c.nodes {
		if d.proc != nil {
			up++
		}
	}
	eventually.True(c.tb, "JetStream", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		config := jetstream.StreamConfig{Name: "probe", Subjects: []string{"probe"}, Replicas: up, Storage: jetstream.MemoryStorage}
		if _, err := c.js.CreateOrUpdateStream(ctx, config); err != nil {
			return false
		}
		return c.js.DeleteStream(ctx, "probe") == nil
	})
}

// Purge empties a stream, if it is there.
func (c *Cluster) Purge(stream string) {
	c.tb.Helper()
	c.administer("purge of "+stream, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, stream)
		if err == nil {
			err = s.Purge(ctx)
		}
		return unlessGone(err)
	})
}

// Delete deletes a stream, if it is there.
func (c *Cluster) Delete(stream string) {
	c.tb.Helper()
	c.administer("end of "+stream, func(ctx context.Context) error { return unlessGone(c.js.DeleteStream(ctx, stream)) })
}

// unlessGone is nil for a stream that is not there any more: its mirror is complete.
func unlessGone(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}

// administer does something that takes a leader, also where there is none for a while.
func (c *Cluster) administer(what string, do func(context.Context) error) {
	c.tb.Helper()
	eventually.True(c.tb, what, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return do(ctx) == nil
	})
}

// Leader returns which server leads a stream.
func (c *Cluster) Leader(stream string) int {
	c.tb.Helper()
	leader := -1
	eventually.True(c.tb, "a leader of "+stream, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s, err := c.js.Stream(ctx, stream)
		if err != nil {
			return false
		}
		info := s.CachedInfo()
		if info.Cluster == nil || info.Cluster.Name == "" {
			leader = 0
			return true
		}
		leader = slices.IndexFunc(c.nodes, func(d *node) bool { return info.Cluster.Leader == name(slices.Index(c.nodes, d)) })
		return leader >= 0
	})
	return leader
}

// JetStream reaches the servers past all links, for what an administrator does.
func (c *Cluster) JetStream() jetstream.JetStream { return c.js }

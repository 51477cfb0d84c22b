package main

import (
	"bytes"
	be "encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// nameServer answers every question for an address, RFC 1035.
type nameServer struct {
	conn   net.PacketConn
	says   atomic.Pointer[dnsAnswer]
	asked  atomic.Int64
	closed chan struct{}
}

// dnsAnswer is an address, or an RCODE; silent is no answer at all.
type dnsAnswer struct {
	ip     net.IP
	rcode  uint16
	silent bool
}

const servFail, nxDomain = 2, 3

func newNameServer(t *testing.T, addr string) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{conn: conn, closed: make(chan struct{})}
	go n.serve()
	t.Cleanup(func() { conn.Close(); <-n.closed })
	return n
}

func (n *nameServer) serve() {
	defer close(n.closed)
	buf := make([]byte, 512)
	for {
		k, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		n.asked.Add(1)
		if answer := n.says.Load().to(buf[:k]); answer != nil {
			_, _ = n.conn.WriteTo(answer, from)
		}
	}
}

// to is the answer to a message with one question; nil where there is none.
func (a *dnsAnswer) to(question []byte) []byte {
	const header, typeA = 12, 1
	if a.silent || len(question) < header+5 {
		return nil
	}
	end := bytes.IndexByte(question[header:], 0) // of the name
	if end < 0 || len(question) < header+end+5 {
		return nil
	}
	kind := be.BigEndian.Uint16(question[header+end+1:])
	found := a.rcode == 0 && kind == typeA
	m := append([]byte{}, question[:2]...)
	m = be.BigEndian.AppendUint16(m, 0x8180|a.rcode)
	m = append(m, 0, 1, 0, map[bool]byte{true: 1}[found], 0, 0, 0, 0)
	m = append(m, question[header:header+end+5]...)
	if found {
		m = append(m, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
		m = append(m, a.ip.To4()...)
	}
	return m
}

// TestNameComesBackElsewhere has an origin whose name does not resolve any more, in
// each way that a name server knows, and then does to another address. motefs runs in
// a mount namespace with a name server of its own; so do those who read its mount.
func TestNameComesBackElsewhere(t *testing.T) {
	t.Parallel()
	needRoot(t)
	need(t, "unshare")
	need(t, "nsenter")
	o, src, _, args := newTroubled(t, false)
	names := newNameServer(t, "127.77.0.1:53")
	names.says.Store(&dnsAnswer{ip: net.IPv4(127, 0, 0, 1)})
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	write(t, resolv, []byte("nameserver 127.77.0.1\noptions timeout:1 attempts:1\n"))
	_, port, err := net.SplitHostPort(o.front.addr)
	if err != nil {
		t.Fatal(err)
	}
	m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	outside := motefs(t, append([]string{"mount", "--store", m.store, "http://origin.test:" + port, m.dir}, args...)...)
	inside := process.Command("unshare", append([]string{"-m", "--propagation", "slave",
		"sh", "-ec", `mount --bind "$1" /etc/resolv.conf; shift; exec "$@"`, "sh", resolv}, outside.Args...)...)
	inside.Env = outside.Env
	m = m.start(inside)
	read := func(n int64) {
		t.Helper()
		process.MustRun(t, "nsenter", "-t", fmt.Sprint(m.Pid()), "-m", "sh", "-ec", lookAt, "sh", m.dir, sums(t, src, n))
	}
	eventually.True(t, "the first files", func() bool { return o.s.Counts().Gets > troubledPage })
	read(troubledPage)
	o.front.refuse()
	for _, trouble := range []dnsAnswer{{rcode: nxDomain}, {rcode: servFail}, {silent: true}} {
		names.says.Store(&trouble)
		before := names.asked.Load()
		eventually.True(t, "questions", func() bool { return names.asked.Load() > before })
		read(troubledPage)
	}
	o.finish()
	o.front.listen("127.0.0.2:" + port)
	names.says.Store(&dnsAnswer{ip: net.IPv4(127, 0, 0, 2)})
	m.Logs("the mirror is complete")
	read(troubledFiles)
	began := time.Now()
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 {
		t.Errorf("status %d: %s", status, m)
	}
	t.Logf("unmounted in %v", time.Since(began))
	finish(t, exitOK, "verify", "--store", m.store)
}

package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// troubled is an origin in the middle of its troubles.
type troubled struct {
	t     *testing.T
	s     *origintest.Server
	front *front
	certs []tls.Certificate // one that has run out, the one before and the one after
	cert  atomic.Int32      // which of them it shows
	stop  func()            // what goes on by itself
	// finish lets the listing go beyond its second third.
	finish func()
}

// held is a source whose listing stops at a place until that is open.
type held struct {
	serve.Source
	at   int
	open chan struct{}
}

func (h held) Page(marker string, limit int, add func(name []byte)) (string, error) {
	if at, err := strconv.Atoi(marker); err == nil && at >= h.at {
		<-h.open
	}
	return h.Source.Page(marker, limit, add)
}

// trouble is a way in which an origin gives nothing good.
type trouble struct {
	what  string
	https bool
	begin func(o *troubled)
	heal  func(o *troubled)
	// slow is a trouble after which a mount waits a minute before it lists again.
	slow bool
}

// lists is a listing that goes wrong behind its first page.
func lists(page func(marker string, n int) origintest.Fault) func(o *troubled) {
	return func(o *troubled) { o.s.SetFaults(origintest.Faults{OnList: page}) }
}

func well(o *troubled) {
	o.s.SetFaults(origintest.Faults{})
	o.front.cut()
	o.front.listen(o.front.addr)
}

func troubles() []trouble {
	drip := origintest.Fault{Mode: origintest.Drip, Every: 50 * time.Millisecond}
	hugePage := []byte(`{"FileNames": ["` + strings.Repeat("x", 200<<20) + `"]}`)
	return []trouble{
		{what: "refuses connections", begin: func(o *troubled) { o.front.refuse() }, heal: well},
		{what: "vanishes", begin: func(o *troubled) { o.front.vanish() }, heal: func(o *troubled) {
			if !long() {
				o.front.cut() // else nobody knows for 30 s
			}
			o.front.listen(o.front.addr)
		}},
		{what: "flaps", begin: func(o *troubled) { o.flap() }, heal: func(o *troubled) { o.stop(); well(o) }},
		{what: "drips", begin: func(o *troubled) {
			o.s.SetFaults(origintest.Faults{
				OnGet:  func([]byte, int) origintest.Fault { return drip },
				OnList: func(string, int) origintest.Fault { return drip },
			})
		}, heal: well},
		{what: "has a certificate that runs out", https: true,
			begin: func(o *troubled) { o.cert.Store(0); o.front.cut() }, heal: func(o *troubled) { o.cert.Store(2); well(o) }},
		{what: "lists pages of 200 MB", slow: true, begin: lists(func(string, int) origintest.Fault {
			return origintest.Fault{Status: 200, Body: hugePage, Mode: origintest.Chunked, N: 60_000}
		}), heal: well},
		{what: "lists in circles", slow: true, begin: lists(func(marker string, _ int) origintest.Fault {
			next := map[string]string{"x": "y", "y": "z", "z": "x"}[marker]
			if next == "" {
				next = "x"
			}
			return origintest.Fault{Status: 200, Body: fmt.Appendf(nil, `{"FileNames": ["file-000000000000"], "NextFile": %q}`, next)}
		}), heal: well},
		{what: "lists without an end", begin: lists(endless), heal: func(o *troubled) { o.s.SetFaults(origintest.Faults{OnList: endOfEndless}) }},
	}
}

// endless is a page that has one name, which is known, and a marker that is not.
func endless(marker string, n int) origintest.Fault {
	return origintest.Fault{Status: 200, Body: fmt.Appendf(nil, `{"FileNames": ["file-000000000000"], "NextFile": "endless-%s-%d"}`, leftOff(marker), n)}
}

// leftOff is the marker at which an endless listing began.
func leftOff(marker string) string {
	if rest, ok := strings.CutPrefix(marker, "endless-"); ok {
		marker, _, _ = strings.Cut(rest, "-")
	}
	return marker
}

// endOfEndless leads back to the listing that was left.
func endOfEndless(marker string, _ int) origintest.Fault {
	if !strings.HasPrefix(marker, "endless-") {
		return origintest.Fault{}
	}
	return origintest.Fault{Status: 200, Body: fmt.Appendf(nil, `{"FileNames": [], "NextFile": %q}`, leftOff(marker))}
}

// flap has the origin be up and down by turns until stop.
func (o *troubled) flap() {
	every := 200 * time.Millisecond
	if long() {
		every = time.Second
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for up := false; ; up = !up {
			if up {
				o.front.listen(o.front.addr)
			} else {
				o.front.refuse()
			}
			select {
			case <-end:
				return
			case <-time.After(every):
			}
		}
	}()
	o.stop = sync.OnceFunc(func() { close(end); <-ended })
	o.t.Cleanup(o.stop)
}

// certify gives the origin certificates, and returns the path of a file with all.
func (o *troubled) certify() string {
	var all []byte
	for _, valid := range []time.Duration{-time.Hour, time.Hour, time.Hour} {
		config, path := certificate(o.t, "127.0.0.1", time.Now().Add(valid))
		text, err := os.ReadFile(path)
		if err != nil {
			o.t.Fatal(err)
		}
		o.certs, all = append(o.certs, config.Certificates...), append(all, text...)
	}
	path := filepath.Join(o.t.TempDir(), "all.pem")
	write(o.t, path, all)
	o.cert.Store(1)
	return path
}

const troubledFiles, troubledPage = 1500, 50

func newTroubled(t *testing.T, https bool) (o *troubled, src *serve.Synthetic, url string, args []string) {
	src = serve.NewSynthetic(serve.SyntheticOptions{Files: troubledFiles, VarySize: true, LargeEvery: 131, LargeSize: 100_000})
	o = &troubled{t: t, stop: func() {}}
	options := serve.Options{PageSize: troubledPage, ListLatency: 50 * time.Millisecond}
	args = []string{"--prefetch-all"}
	if https {
		options.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &o.certs[o.cert.Load()], nil }}
		args = append(args, "--ca-cert", o.certify())
	}
	open := make(chan struct{})
	o.s = serveTest(t, options, held{src, troubledFiles * 2 / 3, open})
	o.finish = sync.OnceFunc(func() { close(open) })
	t.Cleanup(o.finish)
	o.front = newFront(t, o.s.Addr())
	return o, src, strings.Replace(o.s.URL(), o.s.Addr(), o.front.addr, 1), args
}

// sums writes what sha256sum prints of files 0 to n to a file.
func sums(t *testing.T, src *serve.Synthetic, n int64) (path string) {
	t.Helper()
	var text bytes.Buffer
	for i := range n {
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(src.Body(i)), src.Name(i))
	}
	path = filepath.Join(t.TempDir(), "sums")
	write(t, path, text.Bytes())
	return path
}

// lookAt looks at a mount, its names and the filesystem, and compares files with sums.
const lookAt = `cd "$1"; ls >/dev/null; stat -f . >/dev/null; sha256sum --quiet -c "$2"`

// reads has another process lookAt a mount and files 0 to n. It returns how long that took.
func reads(t *testing.T, dir string, src *serve.Synthetic, n int64) time.Duration {
	t.Helper()
	list := sums(t, src, n)
	began := time.Now()
	shell(t, lookAt, dir, list)
	return time.Since(began)
}

// waiting is a reader of the last file, which is not here yet.
func (m *mountedProcess) waiting(src *serve.Synthetic) (check func()) {
	name := src.Name(src.Len() - 1)
	p := process.Start(m.t, process.Command("sh", "-c", `cd "$1"; echo inside; exec cat "$2"`, "sh", m.dir, name))
	p.Line()
	return func() {
		m.t.Helper()
		status := p.Wait()
		if got := p.Stdout.String(); status == 0 && got != "inside\n"+string(src.Body(src.Len()-1)) || strings.Contains(p.Stderr.String(), "No such file") {
			m.t.Errorf("a reader of %s ends with %d, %d bytes, %q", name, status, len(got), p.Stderr)
		}
	}
}

// unmount is stop of a mount that may have logged trouble; it returns how long it took.
func (m *mountedProcess) unmount() time.Duration {
	m.t.Helper()
	began := time.Now()
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 || len(mountsBelow(m.dir)) > 0 {
		m.t.Errorf("status %d, mounts %q: %s", status, mountsBelow(m.dir), m)
	}
	return time.Since(began)
}

// listsAgain waits until a mount is about to list again, which is as long as a test waits
// for anything.
func (m *mountedProcess) listsAgain() {
	for end := time.Now().Add(tryListingAgain); time.Now().Before(end) && !strings.Contains(m.Stderr.String(), "the mirror is complete:"); {
		time.Sleep(100 * time.Millisecond)
	}
}

// lasts is how long a trouble goes on.
func lasts() time.Duration {
	if long() {
		return 10 * time.Second
	}
	return 300 * time.Millisecond
}

// peakLimit bounds the memory of a mount, whatever its origin does, in bytes: what the
// store and the queues may have, and a page as long as one may be.
const peakLimit = 400 << 20

// TestTroubledOrigin has an origin go wrong in the middle of a mirror, twice. What is
// here is served while it lasts, and the mirror goes on by itself where it was. The
// second time the mount is unmounted meanwhile, and mounted again.
func TestTroubledOrigin(t *testing.T) {
	t.Parallel()
	for _, trouble := range troubles() {
		t.Run(trouble.what, func(t *testing.T) {
			t.Parallel()
			o, src, url, args := newTroubled(t, trouble.https)
			m := startMount(t, url, args...)
			var took time.Duration
			last := func() {
				t.Helper()
				for end := time.Now().Add(lasts()); time.Now().Before(end); {
					took = max(took, reads(t, m.dir, src, troubledPage))
				}
			}
			peak := func() {
				t.Helper()
				if n := memory(t, m.Process, "VmHWM"); n > peakLimit*raceFactor() {
					t.Errorf("%d MiB of memory", n>>20)
				} else {
					t.Logf("at most %d MiB of memory", n>>20)
				}
			}
			gets := func(n int64) { eventually.True(t, "gets", func() bool { return o.s.Counts().Gets > n }) }

			gets(troubledPage)
			reads(t, m.dir, src, troubledPage) // so that it is here
			trouble.begin(o)
			last()
			first := m.waiting(src)
			listAgain := func() {
				t.Helper()
				if trouble.slow && long() {
					m.listsAgain()
				} else if trouble.slow {
					m.unmount()
					m = m.again(url, args...)
				}
			}
			peak()
			trouble.heal(o)
			listAgain()
			gets(troubledFiles / 2)

			trouble.begin(o)
			o.finish()
			last()
			second := m.waiting(src)
			peak()
			unmounted := m.unmount()
			first()
			second()
			m = m.again(url, args...)
			took = max(took, reads(t, m.dir, src, troubledPage))
			if trouble.slow {
				m.Logs("again_in")
			}
			trouble.heal(o)
			listAgain()
			m.Logs("the mirror is complete")
			reads(t, m.dir, src, troubledFiles)
			peak()
			m.unmount()
			finish(t, exitOK, "verify", "--store", m.store)
			t.Logf("unmounted in %v; %d files and a directory read in at most %v", unmounted, troubledPage, took)
		})
	}
}

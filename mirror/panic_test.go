package mirror_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/origin"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/rs/zerolog"
)

// trap is a client that panics where it is set.
type trap struct {
	*origin.Client
	at  atomic.Value
	hit chan struct{} // has one once it panics
}

func newTrap(c *origin.Client) *trap { return &trap{Client: c, hit: make(chan struct{}, 1)} }

func (p *trap) pass(where string) {
	if p.at.Load() == where {
		select {
		case p.hit <- struct{}{}:
		default:
		}
		panic("planted in " + where)
	}
}

func (p *trap) List(ctx context.Context, marker string) (mirror.Page, error) {
	p.pass("List")
	page, err := p.Client.List(ctx, marker)
	if decode := page.Decode; err == nil {
		page.Decode = func(dst []mirror.Listed, most int, skip func(string, error)) ([]mirror.Listed, bool, error) {
			p.pass("Decode")
			return decode(dst, most, skip)
		}
	}
	return page, err
}

func (p *trap) Fetch(ctx context.Context, names []string, r mirror.Receiver) error {
	p.pass("Fetch")
	receive := r.Receive
	r.Receive = func(i int, obj *mirror.Object, err error) {
		if p.at.Load() == "Receive" {
			obj, err = nil, nil // the engine itself panics
		} else if obj != nil && obj.Stream != nil {
			obj.Stream = trapReader{obj.Stream, p}
		}
		receive(i, obj, err)
	}
	return p.Client.Fetch(ctx, names, r)
}

func (p *trap) FetchRange(ctx context.Context, name string, part mirror.Part, use func(*mirror.Object) error) error {
	p.pass("FetchRange")
	return p.Client.FetchRange(ctx, name, part, use)
}

// record is a log that may be read at any time.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(line)
}

// count is how often text is in it.
func (r *record) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Count(r.buf.Bytes(), []byte(text))
}

type trapReader struct {
	io.Reader
	*trap
}

func (r trapReader) Read(b []byte) (int, error) {
	r.pass("Read")
	return r.Reader.Read(b)
}

// planted checks that err is a panic, and that its stack is in the error and in the log.
func planted(t *testing.T, err error, log *record) {
	t.Helper()
	p, ok := errors.AsType[*mirror.PanicError](err)
	if !ok || !bytes.Contains(p.Stack, []byte("panic_test.go")) {
		t.Errorf("a panic gives %v", err)
	}
	if log.count("panic_test.go") == 0 {
		t.Errorf("the log has no stack: %s", &log.buf)
	}
}

// TestPanicInARun plants a panic in what the goroutines of a Run call. The Run ends
// with it, readers go on, and the next Run mirrors everything.
func TestPanicInARun(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 3000, LargeEvery: 1500, LargeSize: 9 << 20})
	for _, at := range []string{"List", "Decode", "Fetch", "Receive", "Read"} {
		t.Run(at, func(t *testing.T) {
			r := newRig(t, serve.Options{PageSize: 500}, src)
			var log record
			client := newTrap(r.client)
			e := r.engine(func(o *mirror.Options) {
				o.Lister, o.Fetcher, o.Log = client, client, zerolog.New(&log).Level(zerolog.ErrorLevel)
			})
			client.at.Store(at)
			planted(t, e.Run(context.Background()), &log)
			client.at.Store("")
			if entry, err := e.Fetch(context.Background(), cache.RootInode, src.Name(7)); err != nil || !entry.Here() {
				t.Errorf("a reader then gets %+v, %v", entry, err)
			}
			r.must(e.Run(context.Background()))
			r.complete(3000)
			r.same(src)
		})
	}
}

// TestPanicForReaders plants a panic in a fetch that many readers share: each gets
// it as an error, and the file the next time. Thousands of them log few stacks.
func TestPanicForReaders(t *testing.T) {
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: 100})
	for _, at := range []string{"Fetch", "Receive"} {
		t.Run(at, func(t *testing.T) {
			r := newRig(t, serve.Options{}, src)
			var log record
			client := newTrap(r.client)
			e := r.engine(func(o *mirror.Options) {
				o.Prefetch, o.Fetcher, o.Log = false, client, zerolog.New(&log).Level(zerolog.ErrorLevel)
			})
			r.must(e.Run(context.Background()))
			client.at.Store(at)
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					for k := range int64(50) { // in order, so that some are read ahead
						_, err := e.Fetch(context.Background(), cache.RootInode, src.Name(k))
						if _, ok := errors.AsType[*mirror.PanicError](err); !ok {
							t.Errorf("reader %d of file %d gets %v", i, k, err)
						}
					}
				})
			}
			wg.Wait()
			if n := log.count("\n"); n == 0 || n > 30 {
				t.Errorf("%d lines of log", n)
			}
			client.at.Store("")
			for k := range int64(50) {
				if entry, err := e.Fetch(context.Background(), cache.RootInode, src.Name(k)); err != nil || !entry.Here() {
					t.Errorf("a reader then gets %+v, %v", entry, err)
				}
			}
			r.must(e.Close()) // and with it what is fetched ahead
			r.verify()
		})
	}
}

// TestPanicOfAnArrival plants a panic in the stream of a file that readers see
// arriving, or in a part of it: the file is taken back, or the part comes with the
// stream. A read of the stream that is under way when the panic is planted still brings
// a piece of it, so what a reader waits for is well behind that; but nearer than what is
// asked for by itself.
func TestPanicOfAnArrival(t *testing.T) {
	for at, off := range map[string]int64{"Read": 3 * mib, "FetchRange": 15 * mib} {
		t.Run(at, func(t *testing.T) {
			r, h := longRig(t, 20*mib, mib)
			var log record
			client := newTrap(r.client)
			e := r.engine(func(o *mirror.Options) {
				o.Fetcher, o.Log = client, zerolog.New(&log).Level(zerolog.ErrorLevel)
			})
			entry := r.fetch(e)
			r.sees(e, h, entry, 0, 0, 100)
			client.at.Store(at)
			read := make(chan error)
			go func() {
				_, _, err := e.ReadAt(context.Background(), entry.Inode, make([]byte, 100), off, time.Minute)
				read <- err
			}()
			if at == "FetchRange" {
				<-client.hit
			}
			h.release()
			if err := <-read; at == "Read" {
				planted(t, err, &log)
			} else if err != nil {
				t.Error(err)
			}
			client.at.Store("")
			e.Shown(r.fetch(e).Inode) // a lookup finds it anew
			r.whole(e, h, 0)
		})
	}
}

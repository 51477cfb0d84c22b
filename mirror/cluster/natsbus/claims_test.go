package natsbus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
	"github.com/motefs/motefs/mirror/objects"
)

// careless is an object store that lets everyone win.
type careless struct {
	mu     sync.Mutex
	bodies map[string][]byte
}

var errDies = errors.New("the process dies here")

func (c *careless) Put(_ context.Context, name string, body objects.Body) error {
	text, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies[name] = text
	return nil
}

func (c *careless) Create(ctx context.Context, name string, body objects.Body) error {
	return c.Put(ctx, name, body)
}

func (c *careless) Get(_ context.Context, name string, off, n int64) (io.ReadCloser, int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, found := c.bodies[name]
	if !found {
		return nil, 0, objects.ErrNotFound
	}
	part := text[off:]
	if n >= 0 {
		part = part[:n]
	}
	return io.NopCloser(bytes.NewReader(part)), int64(len(text)), nil
}

func (c *careless) List(_ context.Context, prefix, after string, fn func(objects.Info) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.bodies {
		if strings.HasPrefix(name, prefix) && name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if !fn(objects.Info{Name: name, Size: int64(len(c.bodies[name]))}) {
			break
		}
	}
	return nil
}

func (c *careless) Delete(_ context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.bodies, name)
	return nil
}

func (c *careless) Close() error { return nil }

func (c *careless) names() []string {
	var names []string
	_ = c.List(context.Background(), "", "", func(i objects.Info) bool {
		names = append(names, i.Name)
		return true
	})
	return names
}

// client is a store with the same objects, which ends at a Put of a name.
func (c *careless) client(before func(string) error) *claimed {
	return &claimed{careless: c, before: before}
}

type claimed struct {
	*careless
	before func(string) error
}

func (c *claimed) Put(ctx context.Context, name string, body objects.Body) error {
	if err := c.before(name); err != nil {
		return err
	}
	return c.careless.Put(ctx, name, body)
}

func text(s string) objects.Body {
	return objects.Body{ReaderAt: strings.NewReader(s), Size: int64(len(s))}
}

func helped(t *testing.T, b *natsbus.Bus, s objects.Store) objects.Store {
	t.Helper()
	c, err := b.Claims(deadline(t), s)
	must(t, err)
	return c
}

// Of 64 who create one name at once one wins, and its body is there; nothing else is left.
func TestClaims(t *testing.T) {
	for _, servers := range []int{1, 3} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			c := natstest.New(t, servers)
			store := &careless{bodies: map[string][]byte{}}
			var clients []objects.Store
			for range 4 {
				clients = append(clients, helped(t, join(t, options(t, c.URL())), store))
			}
			for round := range 8 {
				name := fmt.Sprintf("manifests/%04d.full", round)
				var wg sync.WaitGroup
				errs := make([]error, 64)
				for i := range errs {
					wg.Go(func() { errs[i] = clients[i%4].Create(deadline(t), name, text(fmt.Sprint("racer ", i))) })
				}
				wg.Wait()
				winner := -1
				for i, err := range errs {
					switch {
					case err == nil && winner >= 0:
						t.Fatalf("round %d: %d and %d win", round, winner, i)
					case err == nil:
						winner = i
					case !errors.Is(err, objects.ErrExists):
						t.Fatalf("round %d: %v", round, err)
					}
				}
				if want := fmt.Sprint("racer ", winner); string(store.bodies[name]) != want {
					t.Errorf("round %d: %q is there, want %q", round, store.bodies[name], want)
				}
			}
			if names := store.names(); len(names) != 8+1 {
				t.Errorf("left behind: %q", names)
			}
		})
	}
}

// A winner that dies before its body is where it belongs has won nevertheless.
func TestClaimsWinnerDies(t *testing.T) {
	c := natstest.New(t, 1)
	store := &careless{bodies: map[string][]byte{}}
	dies := helped(t, join(t, options(t, c.URL())), store.client(func(name string) error {
		if name == "commits/1" {
			return errDies
		}
		return nil
	}))
	lives := helped(t, join(t, options(t, c.URL())), store)
	long := strings.Repeat("first", 100_000)
	if err := dies.Create(deadline(t), "commits/1", text(long)); !errors.Is(err, errDies) {
		t.Fatal(err)
	}
	if err := lives.Create(deadline(t), "commits/1", text("second")); !errors.Is(err, objects.ErrExists) {
		t.Errorf("a second winner: %v", err)
	}
	if got := string(store.bodies["commits/1"]); got != long {
		t.Errorf("%.20q is there", got)
	}
}

// Once NATS has forgotten who won, nobody wins, whether the bucket is gone, empty, or another.
func TestClaimsWiped(t *testing.T) {
	const bucket = "KV_motefs_claims_" + mirror
	for name, wipe := range map[string]func(t *testing.T, c *natstest.Cluster){
		"deleted": func(t *testing.T, c *natstest.Cluster) { c.Delete(bucket) },
		"purged":  func(t *testing.T, c *natstest.Cluster) { c.Purge(bucket) },
		"disk wiped": func(t *testing.T, c *natstest.Cluster) {
			c.Kill(0)
			c.Wipe(0)
			c.Start(0)
			c.Await()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := natstest.New(t, 1)
			store := &careless{bodies: map[string][]byte{}}
			b := join(t, options(t, c.URL()))
			s := helped(t, b, store)
			must(t, s.Create(deadline(t), "names/1", text("first")))
			wipe(t, c)
			if err := s.Create(deadline(t), "names/2", text("second")); !errors.Is(err, natsbus.ErrClaimsLost) {
				t.Errorf("created: %v", err)
			}
			if _, err := join(t, options(t, c.URL())).Claims(deadline(t), store); !errors.Is(err, natsbus.ErrClaimsLost) {
				t.Errorf("opened: %v", err)
			}
			if err := s.Create(deadline(t), "names/1", text("third")); !errors.Is(err, objects.ErrExists) {
				t.Errorf("what is there is created: %v", err)
			}
			if _, there := store.bodies["names/2"]; there {
				t.Error("names/2 is there")
			}
		})
	}
}

// A claim waits for NATS, and is made once that is back.
func TestClaimsAway(t *testing.T) {
	c := natstest.New(t, 1)
	store := &careless{bodies: map[string][]byte{}}
	s := helped(t, join(t, options(t, c.URL())), store)
	c.Kill(0)
	short, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Create(short, "names/1", text("first")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("created without NATS: %v", err)
	}
	done := make(chan error)
	go func() { done <- s.Create(deadline(t), "names/1", text("second")) }()
	c.Start(0)
	must(t, <-done)
	if got := string(store.bodies["names/1"]); got != "second" {
		t.Errorf("%q is there", got)
	}
}

// unreached is an object store that has been away for an hour.
type unreached struct{ *careless }

func (unreached) Away() (since time.Time, why error) { return time.Now().Add(-time.Hour), errDies }

// TestClaimsTellAway: who asks whether the object store is away hears so through claims too.
func TestClaimsTellAway(t *testing.T) {
	bus := join(t, options(t, natstest.New(t, 1).URL()))
	store, err := bus.Claims(deadline(t), unreached{&careless{bodies: map[string][]byte{}}})
	must(t, err)
	asked, ok := store.(interface{ Away() (time.Time, error) })
	if !ok {
		t.Fatal("it does not know")
	}
	if since, why := asked.Away(); since.IsZero() || !errors.Is(why, errDies) {
		t.Errorf("away since %v: %v", since, why)
	}
}

//go:build !noserver

package natsbus_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
)

// An error of NATS says what to do about it, and nothing of this program's clockwork.
func TestAdvice(t *testing.T) {
	t.Parallel()
	closed := embed(t, natsbus.EmbeddedOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", User: "u", Password: "p"})
	bare := bareServer(t)
	for name, c := range map[string]struct {
		change func(*natsbus.Options)
		advice string
	}{
		"password":     {func(o *natsbus.Options) { o.Servers = closed.URL() }, "NATS_USER"},
		"file":         {func(o *natsbus.Options) { o.Servers, o.Login.Creds = closed.URL(), "/nowhere/creds" }, "--nats-creds"},
		"certificates": {func(o *natsbus.Options) { o.Servers, o.Login.CA = closed.URL(), "/nowhere/ca" }, "NATS_CA"},
		"no TLS":       {func(o *natsbus.Options) { o.Servers = strings.Replace(closed.URL(), "nats:", "tls:", 1) }, "nats://"},
		"no server":    {func(o *natsbus.Options) { o.Servers = "nats://127.0.0.1:1" }, ""},
		"no JetStream": {func(o *natsbus.Options) { o.Servers = bare }, ""},
	} {
		o := natsbus.Options{Mirror: mirror, Process: "p"}
		c.change(&o)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, err := natsbus.Open(ctx, o)
		waited := ctx.Err() != nil
		cancel()
		if err == nil || !strings.Contains(natsbus.Advice(err), c.advice) || (c.advice == "") != (natsbus.Advice(err) == "") {
			t.Errorf("%s: %v; %s", name, err, natsbus.Advice(err))
			continue
		}
		if waited != errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "context") || strings.Contains(err.Error(), "not there yet") {
			t.Errorf("%s, after all the time that there is %v: %v", name, waited, err)
		}
	}
	// Who only looks finds out at once.
	w, err := natsbus.Watch(t.Context(), natsbus.Options{Servers: bare})
	must(t, err)
	defer w.Close()
	if _, err := w.Mirrors(t.Context()); err == nil || !strings.Contains(natsbus.Advice(err), "JetStream") {
		t.Errorf("without JetStream: %v; %s", err, natsbus.Advice(err))
	}
}

// bareServer runs a server without JetStream, and returns its URL.
func bareServer(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("it does not start")
	}
	return "nats://" + s.Addr().String()
}

// While there is no connection, who looks is told that, and not of a buffer.
func TestWatcherIsCutOff(t *testing.T) {
	t.Parallel()
	s := embed(t, natsbus.EmbeddedOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	w, err := natsbus.Watch(t.Context(), natsbus.Options{Servers: s.URL()})
	must(t, err)
	defer w.Close()
	if _, err := w.Mirrors(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
	for end := time.Now().Add(30 * time.Second); ; { // it is noticed soon
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err = w.Mirrors(ctx)
		cancel()
		if err != nil && strings.Contains(err.Error(), "not connected") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it says %v", err)
		}
	}
	if strings.Contains(err.Error(), "buffer") {
		t.Error(err)
	}
}

// An address at which another program listens is told apart from other errors.
func TestEmbeddedAddress(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	if s, err := natsbus.Embedded(natsbus.EmbeddedOptions{Dir: t.TempDir(), Listen: taken.Addr().String()}); !errors.Is(err, natsbus.ErrListen) {
		t.Errorf("%v, %v", s, err)
	}
	for address, want := range map[string]bool{"127.0.0.1:4222": true, "[::1]:0": true, "h:1": true, ":4222": false, "4222": false, "h:": false, "h:x": false, "h:-1": false, "h:65536": false, "": false} {
		if err := natsbus.CheckListen(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}

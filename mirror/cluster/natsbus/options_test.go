package natsbus_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
)

// What is wrong with options is said at once, and never with a password.
func TestOptions(t *testing.T) {
	const secret = "hush"
	good := natsbus.Options{Servers: "nats://127.0.0.1:1", Mirror: mirror, Process: "p"}
	for name, change := range map[string]func(*natsbus.Options){
		"no servers": func(o *natsbus.Options) { o.Servers = "" },
		"http":       func(o *natsbus.Options) { o.Servers = "http://" + secret + "@127.0.0.1" },
		"no host":    func(o *natsbus.Options) { o.Servers = "nats://" + secret + ":" + secret + "@" },
		"slash":      func(o *natsbus.Options) { o.Servers = "nats://user:" + secret + "/more@127.0.0.1" },
		"escape":     func(o *natsbus.Options) { o.Servers = "nats://user:%zz" + secret + "@127.0.0.1" },
		"port":       func(o *natsbus.Options) { o.Servers = "nats://127.0.0.1:" + secret },
		"second":     func(o *natsbus.Options) { o.Servers += ",ftp://" + secret },
		"mirror":     func(o *natsbus.Options) { o.Mirror = "a.b" },
		"process":    func(o *natsbus.Options) { o.Process = "a*" },
		"long":       func(o *natsbus.Options) { o.Process = strings.Repeat("a", 65) },
		"timeout":    func(o *natsbus.Options) { o.ItemTimeout = -1 },
		"creds":      func(o *natsbus.Options) { o.Login.Creds = "/nowhere/creds" },
		"nkey":       func(o *natsbus.Options) { o.Login.NKey = "/nowhere/nkey" },
		"ca":         func(o *natsbus.Options) { o.Login.CA = "/nowhere/ca" },
		"cert":       func(o *natsbus.Options) { o.Login.Cert = "/nowhere/cert" },
	} {
		o := good
		change(&o)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := natsbus.Open(ctx, o)
		if err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: a secret is said: %v", name, err)
		}
		cancel()
	}
}

// A server that is not there is waited for, and said without the password that its URL has.
func TestWaitsForServer(t *testing.T) {
	var log bytes.Buffer
	o := natsbus.Options{Servers: "nats://user:hush@127.0.0.1:1,tls://hush@127.0.0.1:1", Mirror: mirror, Process: "p", Log: zerolog.New(&log)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := natsbus.Open(ctx, o)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("opened: %v", err)
	}
	said := log.String() + err.Error()
	if strings.Contains(said, "hush") || !strings.Contains(said, "nats://127.0.0.1:1,tls://127.0.0.1:1") || !strings.Contains(said, "cannot be reached") {
		t.Errorf("said: %s", said)
	}
}

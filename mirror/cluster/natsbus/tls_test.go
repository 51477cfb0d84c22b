package natsbus_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/origin/origintest"
)

// A server with TLS lets in who trusts it and knows the password.
func TestTLS(t *testing.T) {
	config, _, err := origintest.SelfSigned()
	must(t, err)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		TLS: true, TLSConfig: config, TLSTimeout: 5, Username: "motefs", Password: "secret",
	})
	must(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	ca := filepath.Join(t.TempDir(), "ca")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]}), 0o600))

	o := options(t, "tls://"+s.Addr().String())
	var unknown x509.UnknownAuthorityError
	if _, err := natsbus.Open(deadline(t), o); !errors.As(err, &unknown) {
		t.Errorf("opened without knowing who signs: %v", err)
	}
	o.Login.CA = ca
	if _, err := natsbus.Open(deadline(t), o); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("opened without a password: %v", err)
	}
	o.Login = natsbus.Login{}
	o.Login.FromEnvironment(func(name string) string {
		return map[string]string{"NATS_CA": ca, "NATS_USER": "motefs", "NATS_PASSWORD": "secret"}[name]
	})
	b := join(t, o)
	must(t, b.Offer(deadline(t), []uint64{1}))
	if item := pull(t, b); item.Seq() != 1 {
		t.Errorf("segment %d", item.Seq())
	}

	// tls:// is kept to where the server would do without.
	plain := servePlain(t)
	o = options(t, "tls://"+plain)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := natsbus.Open(ctx, o); !errors.Is(err, nats.ErrSecureConnWanted) {
		t.Errorf("opened without TLS: %v", err)
	}
}

// servePlain is where a server without TLS listens.
func servePlain(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	must(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s.Addr().String()
}

package main

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/mirror/origin/origintest"
)

// TestHTTPS mirrors over TLS from an origin whose certificate only --ca-cert
// knows, and not without it.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	config, _, err := origintest.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(config.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certFile := write("cert.pem", "CERTIFICATE", config.Certificates[0].Certificate[0])
	keyFile := write("key.pem", "PRIVATE KEY", key)
	p := start(t, "serve", "--listen", "127.0.0.1:0", "--synthetic", "3000", "--cert", certFile, "--key", keyFile)
	p.Says("origin at ")
	_, rest, _ := strings.Cut(p.Stdout.String(), "origin at ")
	url, _, _ := strings.Cut(rest, ";")
	if !strings.HasPrefix(url, "https://") {
		t.Fatalf("serves at %s", url)
	}
	store := filepath.Join(dir, "store")
	finish(t, exitOK, "mirror", "--ca-cert", certFile, "--store", store, url)
	finish(t, exitOK, "verify", "--store", store, url)
	out := finish(t, exitOrigin, "mirror", "--store", filepath.Join(dir, "other"), url).Stderr.String()
	if !strings.Contains(out, "nobody that this machine trusts") || !strings.Contains(out, "--ca-cert") {
		t.Errorf("without --ca-cert: %s", out)
	}
	finish(t, exitUsage, "mirror", "--ca-cert", keyFile, "--store", store, url)
	finish(t, exitUsage, "mirror", "--ca-cert", filepath.Join(dir, "none"), "--store", store, url)
	finish(t, exitUsage, "serve", "--synthetic", "1", "--cert", certFile)
}

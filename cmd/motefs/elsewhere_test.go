package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest"
)

// serveOn serves h at an address, with https where a configuration is given, and
// returns its URL.
func serveOn(t *testing.T, addr string, config *tls.Config, h http.HandlerFunc) string {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: listener, TLS: config, Config: &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}}
	if config != nil {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.URL
}

// certificate makes a certificate, signed by itself, and writes it to a file.
func certificate(t *testing.T, ip string, end time.Time) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		BasicConstraintsValid: true, IsCA: true, IPAddresses: []net.IP{net.ParseIP(ip)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cert.pem")
	write(t, path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, path
}

// TestRedirectsTakeNoHeaderElsewhere has an origin redirect its listing, and its
// files, to servers of another port, host and scheme: none of them is asked for
// anything. Where it redirects to itself, the header comes along.
func TestRedirectsTakeNoHeaderElsewhere(t *testing.T) {
	t.Parallel()
	fusetest.Need(t)
	elsewhere := &seen{with: map[string]int{}}
	other := func(w http.ResponseWriter, r *http.Request) {
		elsewhere.note(r)
		fmt.Fprint(w, `{"FileNames": []}`)
	}
	good, ca := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
	for _, config := range []*tls.Config{nil, good} {
		here := &seen{with: map[string]int{}}
		var told atomic.Pointer[[]string] // the places, once they are known
		base := serveOn(t, "127.0.0.1:0", config, func(w http.ResponseWriter, r *http.Request) {
			here.note(r)
			var i int
			var places []string
			if p := told.Load(); p != nil {
				places = *p
			}
			switch n, _ := fmt.Sscanf(r.URL.Path, "/%d/list", &i); {
			case n == 1 && strings.HasSuffix(r.URL.Path, fmt.Sprintf("/%d/list", i)):
				w.Header().Set("Location", places[i]+"list")
				w.WriteHeader(http.StatusFound)
			case strings.HasSuffix(r.URL.Path, "/list"):
				fmt.Fprint(w, `{"FileNames": ["good", "0", "1", "2", "3", "4", "5", "6"]}`)
			default:
				if n, _ := fmt.Sscanf(r.URL.Path, "/files/get/%d", &i); n == 1 && i < len(places) {
					w.Header().Set("Location", places[i]+fmt.Sprint(i))
					w.WriteHeader(http.StatusTemporaryRedirect)
					return
				}
				fmt.Fprint(w, "from the origin")
			}
		})
		_, port, _ := strings.Cut(strings.TrimPrefix(base, "http"), "127.0.0.1:")
		host := serveOn(t, "127.0.0.2:"+port, config, other)
		scheme := serveOn(t, "127.0.0.1:0", map[bool]*tls.Config{true: good}[config == nil], other)
		places := []string{
			serveOn(t, "127.0.0.1:0", config, other) + "/", host + "/", scheme + "/",
			"//127.0.0.2:" + port + "/", "//127.0.0.1:" + port + "@127.0.0.2:" + port + "/",
			// Both of these are the origin's own.
			`/\127.0.0.2:` + port + "/", base + "/moved/",
		}
		header := []string{"--ca-cert", ca, "--header", "Authorization: " + secret}
		const refused = 5
		told.Store(&places)
		for i := range places {
			want := exitOrigin
			if i >= refused {
				want = exitOK
			}
			finish(t, want, append([]string{"mirror", "--store", filepath.Join(t.TempDir(), "store"), base + fmt.Sprintf("/%d", i)}, header...)...)
		}
		m := startMount(t, base+"/files", append(header, "--prefetch-all")...)
		got := shell(t, `for i in good 0 1 2 3 4 5 6; do cat "$1/$i" 2>/dev/null || printf no; echo; done`, m.dir)
		if want := "from the origin\n" + strings.Repeat("no\n", refused) + strings.Repeat("from the origin\n", len(places)-refused); got != want {
			t.Errorf("readers see %q", got)
		}
		finish(t, exitOK, "unmount", m.dir)
		m.Wait()
		if with, all := here.of("Authorization"); with == 0 || with != all {
			t.Errorf("the header came with %d of %d requests", with, all)
		}
	}
	if _, all := elsewhere.of(""); all > 0 {
		t.Errorf("%d requests went elsewhere", all)
	}
}

// TestTLSIsVerified has origins whose certificates are signed by themselves, run out
// or another host's: they get no request, and no flag changes that.
func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	hour := time.Hour
	for _, tc := range []struct {
		what, ip string
		end      time.Duration
		trusted  bool
		status   int
		says     string
	}{
		{"good", "127.0.0.1", hour, true, exitOK, "complete"},
		{"signed by itself", "127.0.0.1", hour, false, exitOrigin, "nobody that this machine trusts"},
		{"run out", "127.0.0.1", -hour, true, exitOrigin, "not valid now"},
		{"another host's", "127.0.0.9", hour, true, exitOrigin, "127.0.0.9"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			requests := &seen{with: map[string]int{}}
			config, ca := certificate(t, tc.ip, time.Now().Add(tc.end))
			url := serveOn(t, "127.0.0.1:0", config, func(w http.ResponseWriter, r *http.Request) {
				requests.note(r)
				fmt.Fprint(w, `{"FileNames": []}`)
			})
			args := []string{"mirror", "--header", "Authorization: " + secret, "--store", filepath.Join(t.TempDir(), "store"), url}
			if tc.trusted {
				args = append(args, "--ca-cert", ca)
			}
			p := finish(t, tc.status, args...)
			if !strings.Contains(p.Stdout.String()+p.Stderr.String(), tc.says) {
				t.Errorf("it does not say %q: %s", tc.says, p)
			}
			if with, all := requests.of("Authorization"); (all > 0) != (tc.status == exitOK) || with != all {
				t.Errorf("%d requests, %d with the header", all, with)
			}
		})
	}
	for _, command := range []string{"mount", "mirror"} {
		help := strings.ToLower(finish(t, exitOK, command, "--help").Stdout.String())
		for _, word := range []string{"insecure", "skip", "no-check", "no-verify", "trust-all"} {
			if strings.Contains(help, word) {
				t.Errorf("motefs %s has a flag for %s", command, word)
			}
		}
	}
}

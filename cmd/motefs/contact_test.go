package main

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// TestFirstContact mirrors, and mounts, what cannot be reached or is none, with a
// store that is not there yet: the one line says what happened and what to do about it,
// and neither the store nor a directory above it is left behind.
func TestFirstContact(t *testing.T) {
	t.Parallel()
	plain := serveTest(t, serve.Options{}, synthetic(5))
	answers := func(f origintest.Fault) string {
		s := serveTest(t, serve.Options{}, synthetic(5))
		s.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault { return f }})
		return s.URL()
	}
	cert, trusted := certificate(t, "192.0.2.1", time.Now().Add(time.Hour))
	secure := serveTest(t, serve.Options{TLS: cert}, synthetic(5))
	own, _ := certificate(t, "127.0.0.1", time.Now().Add(time.Hour))
	ownCA := serveTest(t, serve.Options{TLS: own}, synthetic(5))
	down := serveTest(t, serve.Options{}, synthetic(5))
	if err := down.Close(); err != nil {
		t.Fatal(err)
	}
	ssh := speaks(t, "SSH-2.0-OpenSSH_9.9\r\n")
	for _, tc := range []struct {
		url, says string
		args      []string
	}{
		{answers(origintest.Fault{Status: 401}), "the origin answered 401 (Unauthorized); give what it wants to know you by, as in --header", nil},
		{answers(origintest.Fault{Status: 403}), "403 (Forbidden); what it knows you by gives no access", nil},
		{answers(origintest.Fault{Status: 404}), "404 (Not Found); no listing is there: check the path in the URL, or say where it is with --list-path", nil},
		{answers(origintest.Fault{Status: 500}), "see its log", nil},
		{answers(origintest.Fault{Status: 503}), "try again later", nil},
		{answers(origintest.Fault{Body: []byte("<html>log in</html>")}), `page begins "<html>log in</html>"); check the path in the URL`, nil},
		{down.URL(), "nothing listens at 127.0.0.1:", nil},
		{ssh, "does not speak HTTP; check the port in the URL", nil},
		{strings.Replace(plain.URL(), "http:", "https:", 1), "does not speak TLS; give the URL with http:// in the place of https://", nil},
		{strings.Replace(secure.URL(), "https:", "http:", 1), "speaks TLS; give the URL with https:// in the place of http://", nil},
		{ownCA.URL(), "from nobody that this machine trusts; if the service has a certificate of its own, give that with --ca-cert", nil},
		{secure.URL(), `its certificate is not for "127.0.0.1", but for 192.0.2.1`, []string{"--ca-cert", trusted}},
		{"http://host.invalid", `there is no host "host.invalid"; check the URL`, nil},
		{"s3://bucket", "answers there", nil},
	} {
		t.Run(tc.says, func(t *testing.T) {
			args := tc.args
			if strings.HasPrefix(tc.url, "s3:") {
				args, tc.says = []string{"--endpoint-url", answers(origintest.Fault{Status: 404}), "--no-sign-request"}, "that is no answer of S3: check --endpoint-url"
			}
			for _, command := range []string{"mirror", "mount"} {
				above := filepath.Join(t.TempDir(), "above")
				args := append([]string{command, "--store", filepath.Join(above, "store")}, append(args, tc.url)...)
				if command == "mount" {
					fusetest.Need(t)
					args = append(args, t.TempDir())
				}
				p := finish(t, exitOrigin, args...)
				text := p.Stderr.String()
				if !strings.Contains(text, tc.says) || strings.Count(text, "\n") != 1 || p.Stdout.String() != "" {
					t.Errorf("it says %q%q, want one line with %q", p.Stdout, text, tc.says)
				}
				for _, noise := range []string{"list page", `""`, "tcp", "x509", "origin: ", "unreachable"} {
					if strings.Contains(text, noise) {
						t.Errorf("it says %q: %q", text, noise)
					}
				}
				if _, err := os.Stat(above); !errors.Is(err, iofs.ErrNotExist) {
					t.Errorf("something is left at %s: %v", above, err)
				}
			}
		})
	}
	t.Run("a good one", func(t *testing.T) {
		store := filepath.Join(t.TempDir(), "above", "store")
		for _, word := range []string{" (a new store)\n", "store\n"} {
			if p := finish(t, exitOK, "mirror", "--store", store, plain.URL()); !strings.Contains(p.Stdout.String(), fmt.Sprintf("into %s%s", store, strings.TrimPrefix(word, "store"))) {
				t.Errorf("it says %q", p.Stdout)
			}
		}
	})
}

// speaks is the URL of a server that says the same to everybody who asks something.
func speaks(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 1<<10)); err == nil {
					_, _ = c.Write([]byte(text))
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

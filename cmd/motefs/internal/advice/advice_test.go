package advice

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// TestOf has advice fit who is asked: a URL, a bucket, or a server of S3.
func TestOf(t *testing.T) {
	refused := fmt.Errorf("%w: %w", mirror.ErrUnreachable, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, Err: syscall.ECONNREFUSED})
	url, bucket, server := Origin{}, Origin{S3: true}, Origin{S3: true, Endpoint: true}
	for _, tc := range []struct {
		of       Origin
		err      error
		what, do string
	}{
		{url, refused, "nothing listens at 127.0.0.1:9", "check the port in the URL, and that the service is up"},
		{server, refused, "nothing listens at 127.0.0.1:9", "check the port in --endpoint-url"},
		{url, &net.DNSError{Name: "a.test", IsNotFound: true}, `there is no host "a.test"`, "check the URL"},
		{bucket, &net.DNSError{Name: "a.test", IsNotFound: true}, `there is no host "a.test"`, "check the bucket's name and --region"},
		{url, &net.DNSError{Name: "a.test", Err: "server misbehaving"}, "cannot be looked up (server misbehaving)", "network"},
		{url, &wire.ProxyError{Name: "http://p:1", Err: refused}, "proxy http://p:1: ", "check HTTP_PROXY"},
		{url, &mirror.StatusError{Code: 401}, "", "--header"},
		{bucket, &mirror.StatusError{Code: 401}, "", "no answer of S3"},
		{bucket, &mirror.StatusError{Code: 429}, "", "try again later"},
		{url, &mirror.StatusError{Code: 418}, "", ""},
		{url, tls.RecordHeaderError{Msg: "x"}, "does not speak TLS", "http://"},
		{url, fmt.Errorf("%w: no", mirror.ErrListing), "", "ORIGINS.md"},
		{url, errors.New("something else"), "", ""},
	} {
		what, do := tc.of.Of(tc.err)
		if !strings.Contains(what, tc.what) || !strings.Contains(do, tc.do) || (what == "") != (tc.what == "") || (do == "") != (tc.do == "") {
			t.Errorf("%+v, %v: %q, %q; want %q, %q", tc.of, tc.err, what, do, tc.what, tc.do)
		}
	}
}

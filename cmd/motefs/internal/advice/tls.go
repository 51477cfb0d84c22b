package advice

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// askTLS is how long a server may take to show that it speaks TLS.
const askTLS = 3 * time.Second

// WantsTLS reports whether err is what a server gives that speaks TLS to who does not,
// and whether the one of server, an http URL, does speak it. Servers differ in what they
// give: some close the connection, some send an alert, some answer 400. So it is asked for
// a handshake. What is behind a proxy is not.
func WantsTLS(ctx context.Context, server string, err error) bool {
	status, answered := errors.AsType[*mirror.StatusError](err)
	if !errors.Is(err, mirror.ErrCut) && !errors.Is(err, mirror.ErrFraming) && (!answered || status.Code != http.StatusBadRequest) {
		return false
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" {
		return false
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err != nil || proxy != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askTLS)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // nothing is sent to it or believed
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), wire.PortOf(u)))
	if err != nil {
		_, alert := errors.AsType[tls.AlertError](err)
		return alert
	}
	conn.Close()
	return true
}

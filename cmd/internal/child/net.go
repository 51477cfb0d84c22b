package child

import (
	"context"
	"net"
	"net/http"
)

// FreePort is a port of the loopback interface that nobody has.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // it was only asked for its port
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Answers reports whether a server gives any answer for a URL.
func Answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return true
}

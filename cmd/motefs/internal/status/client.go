package status

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// Client asks the process that holds a store.
type Client struct{ http http.Client }

// NewClient returns a client for the store in dir. It connects to nothing yet.
func NewClient(dir string) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		MaxIdleConns: 1, MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return Dial(ctx, dir) },
	}}}
}

// Close lets go of the connection.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Status asks for the status. raw is the object as it came, which a later motefs may have
// given more fields. The errors are those of Dial.
func (c *Client) Status(ctx context.Context) (s Status, raw json.RawMessage, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://motefs/status", nil)
	if err != nil {
		return Status{}, nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Status{}, nil, fmt.Errorf("ask for the status: %w", err)
	}
	defer response.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Status{}, nil, fmt.Errorf("read the status: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return Status{}, nil, fmt.Errorf("%w: it answered status %d", ErrSocket, response.StatusCode)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return Status{}, nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	return s, raw, nil
}

package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

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
	raw, err = c.get(ctx, "/status", &s)
	return s, raw, err
}

// Failures asks for the files that could not be fetched, from an inode on.
func (c *Client) Failures(ctx context.Context, from uint64) (page FailuresPage, err error) {
	_, err = c.get(ctx, fmt.Sprintf("/failures?from=%d", from), &page)
	return page, err
}

// get asks for an object.
func (c *Client) get(ctx context.Context, path string, object any) (raw json.RawMessage, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://motefs"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // its URL says nothing
		}
		return nil, err
	}
	defer response.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: it answered status %d: %.200q", ErrSocket, response.StatusCode, raw)
	}
	if err := json.Unmarshal(raw, object); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSocket, err)
	}
	return bytes.TrimSpace(raw), nil
}

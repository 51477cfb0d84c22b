package page

import (
	"errors"
	"net/http"

	"github.com/motefs/motefs/cache"
)

var (
	// errClosed: the process is ending.
	errClosed = errors.New("motefs is ending")
	// errRequest is a request that the page would not send.
	errRequest = errors.New("bad request")
)

// statusOf is the HTTP status of an error, and what the page says of it.
func statusOf(err error) (status int, text string) {
	switch {
	case errors.Is(err, errClosed):
		return http.StatusServiceUnavailable, err.Error()
	case errors.Is(err, errNotOwner):
		return http.StatusForbidden, err.Error()
	case errors.Is(err, errRequest):
		return http.StatusBadRequest, err.Error()
	case errors.Is(err, cache.ErrNotFound):
		return http.StatusNotFound, "it is not in the store, or not any more"
	case errors.Is(err, cache.ErrCorrupt):
		return http.StatusInternalServerError, "the store is damaged: " + err.Error() + "; stop motefs, then mend it with: motefs verify --repair"
	}
	return http.StatusInternalServerError, "the store cannot be read: " + err.Error()
}

package page

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
)

// errNotOwner: names and contents are the affair of who runs motefs.
var errNotOwner = errors.New("names and contents are shown only to the user who runs motefs, on the same machine: open this page there (from elsewhere by ssh -L), or mount with --allow-other for the other users of that machine")

// owns reports, as an error, whether a request may see names and contents: those of files
// that a mount shows to one user must not be read by all by way of a port. The other end
// has to be a process of the same user, or of root, on this machine; with Everyone a process
// of any user, as a mount shows nothing to other machines.
func (p *Page) owns(r *http.Request) error {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return fmt.Errorf("%w (the connection has no address)", errNotOwner)
	}
	here, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return fmt.Errorf("%w: %w", errNotOwner, err)
	}
	there, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotOwner, err)
	}
	return mayRead(there, here, p.o.Everyone)
}

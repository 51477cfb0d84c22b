//go:build !linux

package page

import "net/netip"

// mayRead has nobody be known on other systems.
func mayRead(_, _ netip.AddrPort, _ bool) error { return errNotOwner }

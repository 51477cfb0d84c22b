package page

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// mayRead reports, as an error, whether the socket at the other end of a connection, there,
// is this user's or root's, or with everyone any user's of this machine. The kernel's tables
// of sockets say whose those of this machine are.
func mayRead(there, here netip.AddrPort, everyone bool) error {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		uid, found, err := ownerIn(table, there, here)
		if err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("%w: %w", errNotOwner, err)
		}
		if found {
			if everyone || uid == 0 || uid == os.Getuid() {
				return nil
			}
			return errNotOwner
		}
	}
	return errNotOwner // it is another machine's, or in another network namespace
}

// ownerIn looks for a socket, by its own address and that of the other end, in one of the
// kernel's tables: proc_net_tcp(5).
func ownerIn(table string, own, other netip.AddrPort) (uid int, found bool, err error) {
	f, err := os.Open(table) //nolint:gosec // one of two
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); err = lines.Err() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", own.Port())) {
			continue
		}
		if same(fields[1], own) && same(fields[2], other) {
			uid, err = strconv.Atoi(fields[7])
			return uid, err == nil, err
		}
	}
	return 0, false, err
}

// same reports whether a table's form of an address is another's: words of 32 bits in hex,
// of which the bytes are in the machine's order.
func same(text string, a netip.AddrPort) bool {
	host, port, ok := strings.Cut(text, ":")
	words, err := hex.DecodeString(host)
	if !ok || err != nil || len(words)%4 != 0 {
		return false
	}
	for k := 0; k < len(words); k += 4 {
		binary.NativeEndian.PutUint32(words[k:], binary.BigEndian.Uint32(words[k:]))
	}
	addr, ok := netip.AddrFromSlice(words)
	n, err := strconv.ParseUint(port, 16, 16)
	return ok && err == nil && addr.Unmap() == a.Addr().Unmap().WithZone("") && uint16(n) == a.Port()
}

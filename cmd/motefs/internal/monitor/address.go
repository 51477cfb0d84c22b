package monitor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Address completes what the user gave to host:port. Where there is no host it is 127.0.0.1:
// to let others in takes an address, such as 0.0.0.0.
func Address(given string) (string, error) {
	if _, err := strconv.ParseUint(given, 10, 16); err == nil {
		given = ":" + given
	}
	host, port, err := net.SplitHostPort(given)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", fmt.Errorf("address %q: give one such as :9400, 127.0.0.1:9400 or 0.0.0.0:9400", given)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// names are by what the server may be asked for, beside any address.
type names map[string]bool

// CheckNames reports a name that is none of a host.
func CheckNames(others []string) error {
	for _, name := range others {
		if strings.ContainsAny(name, "/:* \t") || name == "" {
			return fmt.Errorf("name %q: give one such as node1.example.org, without a scheme and a port", name)
		}
	}
	return nil
}

// newNames returns those of a server that listens on an address, with others.
func newNames(address string, others []string) names {
	n := names{"localhost": true}
	if host, err := os.Hostname(); err == nil {
		n.add(host)
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		n.add(host)
	}
	for _, other := range others {
		n.add(other)
	}
	return n
}

func (n names) add(name string) { n[strings.ToLower(strings.TrimSuffix(name, "."))] = true }

// errHost says that a request asks for another host.
var errHost = errors.New("this host name is not known here; ask by the address, or see --metrics-host")

// check reports whether a Host header is one of the server's: an address, which no DNS
// server can say something wrong of, or one of the names.
func (n names) check(host string) error {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	if n[strings.ToLower(strings.TrimSuffix(host, "."))] {
		return nil
	}
	return errHost
}

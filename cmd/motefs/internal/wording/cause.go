package wording

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"syscall"
)

// Cause is the reason in an error of the file system, for a message that names the file
// already.
func Cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// Address reports what is wrong with the address to listen on that a flag gives.
func Address(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s %q: give an address and a port, such as 127.0.0.1:8080", flag, address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s %q: give a port from 0 to 65535; 0 is a free one", flag, address)
	}
	return nil
}

// ListenError says why a server cannot listen at the address that a flag gives.
func ListenError(flag, address string, err error) error {
	advice := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "another program listens there; give another port, or 0 for a free one"
	case errors.Is(err, syscall.EACCES):
		advice = "this user may not listen there; give a port from 1024 on"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "this machine has no such address; give one of its own, such as 127.0.0.1"
	default:
		return fmt.Errorf("%s %s: %w", flag, address, err)
	}
	return fmt.Errorf("%s %s: %s", flag, address, advice)
}

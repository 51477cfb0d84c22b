package namelist

import (
	"errors"
	"fmt"

	"github.com/motefs/motefs/mirror"
)

var (
	// ErrChanged is a list that is not the one it was: before the checkpoint, or when
	// it was opened.
	ErrChanged error = listError("the list of names has changed")
	// ErrDamaged is a compressed list that is cut short or damaged.
	ErrDamaged error = listError("the list of names is cut short or damaged")
	// ErrOnce is a list that was read already, and cannot be read again.
	ErrOnce error = listError("the list of names can be read only once")
	// ErrFormat is what is no list of names: of two bytes a character, or compressed in
	// a way that is not known here.
	ErrFormat error = listError("not a list of names")
)

// errClosed is a Lister that was closed.
var errClosed = errors.New("the list of names is closed")

// Why a line has no name. Each is told once.
var (
	errLong     = fmt.Errorf("a line over %d bytes", maxLine)
	errScheme   = errors.New("a URL that is neither http nor https")
	errHost     = errors.New("a URL of another host than the origin's; give the list of one host")
	errBelow    = errors.New("a URL that is not below the origin's; give a shorter ORIGIN, or another --get-path")
	errUserInfo = errors.New("a URL with user-info; use --header @FILE for what gives access")
	errQuery    = errors.New("a URL with a query, which no name can have")
	errFragment = errors.New("a URL with a fragment, which is no part of what can be asked for; write %23 for a # in a name")
	errEscape   = errors.New("a URL with a % that begins no escape; write %25 for a % in a name")
	errSlash    = errors.New("a URL with an encoded slash (%2F), which would be asked for as a slash")
	errDots     = errors.New(`a URL with a component "." or "..", which leads elsewhere`)
)

// listError is a mirror.ErrListing whose text says all of it.
type listError string

func (e listError) Error() string { return string(e) }

// Unwrap is what it is to an engine.
func (listError) Unwrap() error { return mirror.ErrListing }

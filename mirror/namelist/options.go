package namelist

import (
	"os"

	"github.com/rs/zerolog"
)

// Options say which list is read, and how. The zero value of every field but Path and
// Files works.
type Options struct {
	// Path is the list's file, "-" for Stdin.
	Path string
	// Stdin is what "-" stands for. Default: os.Stdin.
	Stdin *os.File
	// Null has names be separated by NUL, and not by line feeds.
	Null bool
	// Files is what the URLs of the origin's files begin with, as in
	// "http://host/base/get/". Its host is in lower case, and without its scheme's
	// own port.
	Files string
	// Log is told, once each, of what in the list may be a mistake.
	Log zerolog.Logger
}

// EnsureDefaults fills every unset field with its default.
func (o *Options) EnsureDefaults() {
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
}

// name is what messages call the list.
func (o *Options) name() string {
	if o.Path == "-" {
		return "standard input"
	}
	return o.Path
}

// separator is what ends a name.
func (o *Options) separator() byte {
	if o.Null {
		return 0
	}
	return '\n'
}

package origin

import (
	"errors"
	"fmt"

	"github.com/motefs/motefs/mirror/wire"
)

// defaultMaxPageBytes is a page of 100,000 names of 600 bytes.
const defaultMaxPageBytes = 64 << 20

// Options say where the origin is and how much of it is believed. The zero value
// of every field but BaseURL works.
type Options struct {
	// BaseURL is the origin: http or https, host, optional port and path.
	// It has neither user-info nor query nor fragment.
	BaseURL string
	// Layout says where pages and files are, and how pages are written. Default:
	// pages at BaseURL/list, files at BaseURL/get/.
	Layout Layout
	// OnOnePage is called where a listing ends with its first page only because that
	// lacks what Layout names as the way to the next one, which may be a mistake.
	// Default: nothing.
	OnOnePage func(lacks string)
	// MaxPageBytes is the length in bytes above which a page of the listing
	// is refused. Default: 64 MiB.
	MaxPageBytes int64
	// Options are those of the connections. URL is taken from BaseURL, and
	// Absent is a file that no listing is likely to have.
	wire.Options
}

// EnsureDefaults fills every unset field with its default.
func (o *Options) EnsureDefaults() {
	if o.MaxPageBytes == 0 {
		o.MaxPageBytes = defaultMaxPageBytes
	}
	if o.OnOnePage == nil {
		o.OnOnePage = func(string) {}
	}
	o.Layout.EnsureDefaults()
	o.Options.EnsureDefaults()
}

// resolve finds the base and the layout below it, and reports every problem of options
// that have their defaults.
func (o *Options) resolve() (*base, *layout, error) {
	var problems []error
	b, err := parseBase(o.BaseURL)
	if err != nil {
		problems = append(problems, err)
	}
	if err := o.Layout.Validate(); err != nil {
		problems = append(problems, err)
	}
	if o.MaxPageBytes < 0 {
		problems = append(problems, fmt.Errorf("max page bytes %d: negative", o.MaxPageBytes))
	}
	var l *layout
	if b != nil {
		l = o.Layout.below(b)
		o.URL = b.url
		o.Absent = l.files + ".motefs-absent-5d41402abc4b2a76"
		problems = append(problems, o.Options.Validate())
	}
	if err := errors.Join(problems...); err != nil {
		return nil, nil, err
	}
	return b, l, nil
}

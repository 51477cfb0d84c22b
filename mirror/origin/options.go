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
	// Pages are at BaseURL/list and files at BaseURL/get/. It has neither
	// user-info nor query nor fragment.
	BaseURL string
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
	o.Options.EnsureDefaults()
}

// resolve finds the base, and reports every problem of options that have their
// defaults.
func (o *Options) resolve() (*base, error) {
	var problems []error
	b, err := parseBase(o.BaseURL)
	if err != nil {
		problems = append(problems, err)
	}
	if o.MaxPageBytes < 0 {
		problems = append(problems, fmt.Errorf("max page bytes %d: negative", o.MaxPageBytes))
	}
	if b != nil {
		o.URL = b.url
		o.Absent = b.path + "/get/.motefs-absent-5d41402abc4b2a76"
		problems = append(problems, o.Options.Validate())
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("origin options: %w", err)
	}
	return b, nil
}

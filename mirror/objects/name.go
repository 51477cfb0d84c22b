package objects

import (
	"fmt"
	"strings"
)

const (
	// maxName and maxPart bound a name and what is between its slashes, in bytes: S3 has
	// keys of 1,024, prefix included, and folders entries of 255.
	maxName, maxPart = 512, 200
	// MaxDepth bounds how many parts a name has.
	MaxDepth = 8
)

// CheckName returns an ErrName where name is none: names are parts of [a-z0-9.-] with a slash
// between them, no part begins with a dot, and none is empty.
func CheckName(name string) error {
	if len(name) > maxName || strings.Count(name, "/") >= MaxDepth {
		return fmt.Errorf("%w: %.40q… has %d bytes", ErrName, name, len(name))
	}
	for part := range strings.SplitSeq(name, "/") {
		if !ValidPart(part) {
			return fmt.Errorf("%w: %q", ErrName, name)
		}
	}
	return nil
}

// CheckPrefix is CheckName for what names begin with: nothing, a name, or a name and a
// slash.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckName(strings.TrimSuffix(prefix, "/"))
}

// ValidPart reports whether part may stand between the slashes of a name.
func ValidPart(part string) bool {
	if part == "" || len(part) > maxPart || part[0] == '.' {
		return false
	}
	for i := range len(part) {
		if c := part[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

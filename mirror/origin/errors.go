package origin

import (
	"fmt"

	"github.com/motefs/motefs/mirror"
)

func listingError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{mirror.ErrListing}, args...)...)
}

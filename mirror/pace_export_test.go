package mirror

import "context"

// TakeAll takes n files of an engine's pace.
func TakeAll(ctx context.Context, e *Engine, n int) (taken int) {
	for taken < n {
		k, err := e.pace.take(ctx, n-taken)
		if err != nil {
			return taken
		}
		taken += k
	}
	return taken
}

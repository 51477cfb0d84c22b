package eventually

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leaves is how long goroutines may take to end: those of connections sleep for half a second at
// times, and goleak by itself waits for less.
const leaves = 10 * time.Second

// AllEnded runs the tests, and fails them where a goroutine is left at the end. It ends the program.
func AllEnded(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := left(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // it is the end of TestMain, which only tests call
}

// Ended fails a test where a goroutine is left.
func Ended(tb testing.TB) {
	tb.Helper()
	if err := left(); err != nil {
		tb.Error(err)
	}
}

// left says which goroutines do not end.
func left() (err error) {
	for end := time.Now().Add(leaves); ; {
		if err = goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

package clustertest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
)

// binary is the program under test, built once; with the race detector where the tests have
// it.
var binary string

// sideBySide is how many tests may run at the same time, of some four processes each.
const sideBySide = 4

// givenBinary names it where it is built already.
const givenBinary = "MOTEFS_TEST_BINARY"

func TestMain(m *testing.M) {
	natstest.Serve()
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "motefs-cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if binary = os.Getenv(givenBinary); binary == "" {
		binary = filepath.Join(dir, "motefs")
		args := []string{"build", "-o", binary}
		if raceEnabled {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, "github.com/motefs/motefs/cmd/motefs")...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
	}
	// They wait more than they compute. A -parallel that is given is read later.
	if err := flag.Set("test.parallel", strconv.Itoa(max(sideBySide, runtime.GOMAXPROCS(0)))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

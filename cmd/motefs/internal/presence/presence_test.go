package presence

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
)

// part is the variable by which the test program announces itself.
const part = "MOTEFS_TEST_ANNOUNCE"

func TestMain(m *testing.M) {
	if device := os.Getenv(part); device != "" {
		if err := Announce(device); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("there\n")
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

// A process is found by its mount's device alone, and waited for until it has ended,
// well or by a signal.
func TestPresence(t *testing.T) {
	uid := uint32(os.Geteuid())
	for _, how := range []os.Signal{nil, os.Kill} {
		p := process.Start(t, process.Self(t, part, "0:4711"))
		p.Says("there")
		if found, err := Find("0:471", uid); err != nil || len(found) != 0 {
			t.Errorf("another device: %v, %v", found, err)
		}
		if found, err := Find("0:4711", uid+1); err != nil || len(found) != 0 {
			t.Errorf("another user's: %v, %v", found, err)
		}
		found, err := Find("0:4711", uid)
		if err != nil || len(found) != 1 || found[0].PID != p.Pid() {
			t.Fatalf("found %v, %v; want process %d", found, err, p.Pid())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		other, err := Find("0:4711", uid)
		if err != nil || len(other) != 1 || !errors.Is(other[0].Wait(ctx), context.Canceled) {
			t.Errorf("a wait that is given up: %v, %v", other, err)
		}
		if how == nil {
			p.Stdin.Close()
		} else {
			p.Signal(how)
		}
		if err := found[0].Wait(t.Context()); err != nil {
			t.Error(err)
		}
		found[0].Close()
		p.Wait()
		if found, err := Find("0:4711", uid); err != nil || len(found) != 0 {
			t.Errorf("after its end: %v, %v", found, err)
		}
	}
}

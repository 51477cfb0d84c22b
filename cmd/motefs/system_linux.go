package main

import (
	"os/exec"
	"syscall"
	"time"
)

// endWithUs has a program end when this process says, or is dead: Ctrl-C, which reaches
// the whole terminal, does not.
func endWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func usage() resources {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return resources{} // cannot fail for the process itself
	}
	return resources{cpu: time.Duration(r.Utime.Nano() + r.Stime.Nano()), peak: r.Maxrss << 10}
}

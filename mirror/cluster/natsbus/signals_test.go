package natsbus_test

import "syscall"

const stop, cont = syscall.SIGSTOP, syscall.SIGCONT

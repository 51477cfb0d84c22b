// Command motefs mirrors a remote service of very many small files and mounts
// what it has as a read-only filesystem. See README.md.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once, as its default action.
	context.AfterFunc(ctx, stop)
	log.SetOutput(plainWriter{os.Stderr}) // what libraries print
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	os.Exit(report(os.Stderr, err))
}

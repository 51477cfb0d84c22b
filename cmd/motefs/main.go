// Command motefs mirrors a remote service of very many small files and mounts
// what it has as a read-only filesystem. See README.md.
package main

import (
	"log"
	"os"

	"github.com/motefs/motefs/cmd/motefs/internal/daemon"
)

func main() {
	log.SetOutput(plainWriter{os.Stderr}) // what libraries print
	ctx, again := untilSignal()
	a := newApp(os.Stdout, os.Stderr)
	a.child = daemon.Inherited()
	ended := make(chan error, 1)
	go func() { ended <- a.called(ctx, os.Args) }()
	for {
		select {
		case err := <-ended:
			os.Exit(a.end(err))
		case <-again:
			if !a.insist() {
				os.Exit(a.end(a.abandon()))
			}
		}
	}
}

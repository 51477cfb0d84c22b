// Command motefs mirrors a remote service of very many small files and mounts
// what it has as a read-only filesystem. See README.md.
package main

import (
	"log"
	"os"
)

func main() {
	log.SetOutput(plainWriter{os.Stderr}) // what libraries print
	ctx, again := untilSignal()
	a := newApp(os.Stdout, os.Stderr)
	ended := make(chan error, 1)
	go func() { ended <- a.run(ctx, os.Args[1:]) }()
	for {
		select {
		case err := <-ended:
			os.Exit(a.reportEnd(err))
		case <-again:
			if !a.insist() {
				os.Exit(a.reportEnd(a.abandon()))
			}
		}
	}
}

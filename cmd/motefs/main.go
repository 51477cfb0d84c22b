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
	var err error
	select {
	case err = <-ended:
	case <-again:
		err = a.abandon()
	}
	os.Exit(a.reportEnd(err))
}

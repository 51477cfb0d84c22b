package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// sequentialBuffer is how much of a large file is asked for at a time.
const sequentialBuffer = 1 << 20

// helpSequential reads one file from its beginning to its end.
func helpSequential(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("sequential", flag.ContinueOnError)
	count := flags.Int("passes", 2, "how often it is read")
	size := flags.Int64("size", -1, "how many `bytes` it has")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("give one file")
	}
	var p passes
	buf := make([]byte, sequentialBuffer)
	for range *count {
		if err := p.pass(func() (int64, int64, error) { return readThrough(flags.Arg(0), buf) }); err != nil {
			return fmt.Errorf("read %s: %w", flags.Arg(0), err)
		}
	}
	if *size >= 0 && p.Bytes != *size {
		return fmt.Errorf("%s has %d bytes, not %d", flags.Arg(0), p.Bytes, *size)
	}
	return p.write(stdout)
}

func readThrough(path string, buf []byte) (count, size int64, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			return 1, size, err
		}
		size += int64(n)
	}
}

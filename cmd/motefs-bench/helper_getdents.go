package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// direntBuffer is how much getdents64 is asked for at a time.
const direntBuffer = 1 << 20

// The layout of struct linux_dirent64, see getdents(2).
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

// helpGetdents lists a directory and all below it, without a stat.
func helpGetdents(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("getdents", flag.ContinueOnError)
	count := flags.Int("passes", 2, "how often it is listed")
	want := flags.Int64("want", -1, "how many `entries` there are")
	picks := flags.Int("sample", 0, "pick so `many` files at random")
	to := flags.String("to", "", "`file` for their paths, a NUL after each")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("give one directory")
	}
	var p passes
	picked := sampler{most: *picks}
	for range *count {
		picked.reset()
		err := p.pass(func() (int64, int64, error) {
			n, err := listTree(flags.Arg(0), &picked)
			return n, 0, err
		})
		if err != nil {
			return err
		}
	}
	if *want >= 0 && p.Count != *want {
		return fmt.Errorf("%d entries, not %d", p.Count, *want)
	}
	if *picks > 0 {
		if err := os.WriteFile(*to, picked.text(), 0o644); err != nil {
			return err
		}
	}
	return p.write(stdout)
}

// listTree returns how many entries there are below a directory.
func listTree(root string, picked *sampler) (int64, error) {
	var count int64
	buf := make([]byte, direntBuffer)
	for todo := []string{""}; len(todo) > 0; {
		below := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		err := listDir(root+"/"+below, buf, func(name []byte, kind byte) {
			count++
			if kind == unix.DT_DIR {
				todo = append(todo, below+string(name)+"/")
			} else if picked.most > 0 {
				picked.offer(below, name)
			}
		})
		if err != nil {
			return count, fmt.Errorf("list %s/%s: %w", root, below, err)
		}
	}
	return count, nil
}

// listDir hands out the entries of one directory but for "." and "..". The name
// is only valid during the call.
func listDir(path string, buf []byte, entry func(name []byte, kind byte)) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Getdents(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			return err
		}
		for d := buf[:n]; len(d) > 0; {
			size := int(binary.NativeEndian.Uint16(d[direntReclen:]))
			name := d[direntName:size]
			name = name[:bytes.IndexByte(name, 0)]
			if string(name) != "." && string(name) != ".." {
				entry(name, d[direntType])
			}
			d = d[size:]
		}
	}
}

// sampler picks files so that each is as likely as any other (reservoir sampling,
// Vitter's algorithm R).
type sampler struct {
	most  int
	seen  int64
	paths []string
	rand  *rand.Rand
}

func (s *sampler) reset() {
	s.seen, s.paths, s.rand = 0, s.paths[:0], rand.New(rand.NewPCG(1, 1))
}

func (s *sampler) offer(below string, name []byte) {
	s.seen++
	if len(s.paths) < s.most {
		s.paths = append(s.paths, below+string(name))
	} else if i := s.rand.Int64N(s.seen); i < int64(s.most) {
		s.paths[i] = below + string(name)
	}
}

// text is the paths in random order.
func (s *sampler) text() []byte {
	s.rand.Shuffle(len(s.paths), func(i, j int) { s.paths[i], s.paths[j] = s.paths[j], s.paths[i] })
	var text []byte
	for _, p := range s.paths {
		text = append(append(text, p...), 0)
	}
	return text
}

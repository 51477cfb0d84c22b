package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// common are the flags of both benchmarks.
type common struct {
	quick   bool
	only    *regexp.Regexp // of a row's name; nil: all
	repeat  int
	motefs  string // the program under test
	dir     string // where files and stores are put
	timeout time.Duration
}

// parse adds the flags that both benchmarks have to those of one, and reads them.
// rows says what -only is matched with, puts what -dir is for.
func (c *common) parse(flags *flag.FlagSet, args []string, rows, puts string) error {
	only := flags.String("only", "", "only the rows whose \""+rows+"\" matches this `regexp`")
	flags.IntVar(&c.repeat, "repeat", 3, "`runs` of each row; the median is shown, with the least and the most")
	flags.StringVar(&c.motefs, "motefs", "bin/motefs", "the motefs `program`")
	flags.StringVar(&c.dir, "dir", os.TempDir(), "`directory` for "+puts+", in one of its own that is removed")
	flags.DurationVar(&c.timeout, "timeout", c.timeout, "bound on one run of one row")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are no arguments beside flags: %q", flags.Arg(0))
	}
	if *only != "" {
		var err error
		if c.only, err = regexp.Compile(*only); err != nil {
			return fmt.Errorf("-only: %w", err)
		}
	}
	if c.repeat < 1 || c.timeout <= 0 {
		return errors.New("-repeat and -timeout are positive")
	}
	return nil
}

// locate finds the program under test.
func (c *common) locate() error {
	path, err := exec.LookPath(c.motefs)
	if err != nil {
		return fmt.Errorf("%w: make build makes it", err)
	}
	c.motefs, err = filepath.Abs(path)
	return err
}

// Package mountopts is the command line of a mount helper, as mount(8) has it in
// "External helpers": SOURCE DIRECTORY [-sfnv] [-o OPTIONS] [-t TYPE], turned into a command
// line of motefs mount. It runs nothing.
//
// Options are mount's flags with "_" or "-" between their words, and those that
// every filesystem takes. What is not known is refused by its name; values are never shown,
// as they may be secrets.
package mountopts

import (
	"errors"
	"fmt"
	"strings"
)

// Call is the command line of a mount helper.
type Call struct {
	Source, Dir string
	Options     []Option
	Fake        bool // -f: do all but mount
	Sloppy      bool // -s: ignore options that are not known
	Verbose     bool // -v
}

// Option is one of -o.
type Option struct {
	Name, Value string
	Has         bool // there is a value, and be it empty
}

// Parse reads a command line without the program's name.
func Parse(args []string) (Call, error) {
	var c Call
	var operands []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' {
			operands = append(operands, arg)
			continue
		}
		if arg == "--" {
			operands = append(operands, args[i+1:]...)
			break
		}
		for j := 1; j < len(arg); j++ {
			switch letter := arg[j]; letter {
			case 's':
				c.Sloppy = true
			case 'f':
				c.Fake = true
			case 'v':
				c.Verbose = true
			case 'n', 'r', 'w', 'i': // there is no mtab to write; the mount is read-only in any case
			case 'o', 't', 'N':
				value := arg[j+1:]
				if value == "" {
					if i++; i == len(args) {
						return Call{}, fmt.Errorf("-%c: it wants a value", letter)
					}
					value = args[i]
				}
				if letter == 'N' {
					return Call{}, errors.New("-N: motefs does not go into another namespace; run mount there, with nsenter")
				}
				if letter == 'o' {
					options, err := Split(value)
					if err != nil {
						return Call{}, err
					}
					c.Options = append(c.Options, options...)
				}
				j = len(arg)
			default:
				return Call{}, fmt.Errorf("unknown flag -%c", letter)
			}
		}
	}
	if len(operands) != 2 {
		return Call{}, fmt.Errorf("give ORIGIN and MOUNTPOINT, as in: mount -t motefs http://host:port /mnt/files; there are %d operands", len(operands))
	}
	c.Source, c.Dir = operands[0], operands[1]
	return c, nil
}

// Split cuts options at the commas that are not between double quotes, which it takes
// away: with them a value can have commas.
func Split(text string) ([]Option, error) {
	var options []Option
	var one strings.Builder
	quoted := false
	add := func() {
		name, value, has := strings.Cut(one.String(), "=")
		if one.Reset(); name != "" || has {
			options = append(options, Option{name, value, has})
		}
	}
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"':
			quoted = !quoted
		case b == ',' && !quoted:
			add()
		default:
			one.WriteByte(b)
		}
	}
	if quoted {
		return nil, errors.New(`-o: a quote (") is not closed`)
	}
	add()
	return options, nil
}

package main

import (
	"errors"
	"strconv"
)

// numericID is a flag for the number of a user or group. Names are left to the
// shell (id -u NAME): they need the machine's user database, which a static
// binary reads only in part.
type numericID struct {
	id    uint32
	given bool
}

// or is the number, or what it is where the flag is not given.
func (n *numericID) or(other int) uint32 {
	if n.given {
		return n.id
	}
	return uint32(other)
}

// Set reads a number. The highest one stands for "none" in Linux (chown(2)),
// and the kernel refuses every file that has it.
func (n *numericID) Set(text string) error {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 1<<32-1 {
		return errors.New("give a number from 0 to 4294967294, such as id -u or id -g print")
	}
	*n = numericID{uint32(id), true}
	return nil
}

// String is empty, so that the help shows no default: that depends on who asks.
func (n *numericID) String() string {
	if !n.given {
		return ""
	}
	return strconv.FormatUint(uint64(n.id), 10)
}

// Type is the name of the value in the help.
func (n *numericID) Type() string { return "number" }

// octal is a flag for permission bits.
type octal uint32

// defaultUmask makes files 0444 and directories 0555.
const defaultUmask = 0o222

// Set reads an octal number.
func (o *octal) Set(text string) error {
	bits, err := strconv.ParseUint(text, 8, 32)
	if err != nil || bits > 0o777 {
		return errors.New("give an octal number from 0 to 777, such as 022 or 077")
	}
	*o = octal(bits)
	return nil
}

// String is as users write it, 022.
func (o *octal) String() string { return "0" + strconv.FormatUint(uint64(*o), 8) }

// Type is the name of the value in the help.
func (o *octal) Type() string { return "octal" }

// othersRead reports whether every user of this machine may read the mount's files.
func (f *mountFlags) othersRead() bool {
	const readAndSearch = 0o005
	return f.allowOther && f.umask&readAndSearch == 0
}

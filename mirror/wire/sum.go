package wire

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/motefs/motefs/mirror"
)

// Algorithm is a way to sum up a body.
type Algorithm struct {
	// Name is what errors call it.
	Name string
	// New returns the hash. A connection asks for one, and uses it again.
	New func() hash.Hash
}

// sum is what the body of a response comes to, and what its head says of that.
type sum struct {
	of        *Algorithm
	hash      hash.Hash // of that
	want, got []byte
}

// sum begins the sum of the body at hand, nil where its head says none. It belongs to
// the connection, for one body at a time.
func (cn *conn) sum() *sum {
	said := cn.call.c.o.Sum
	if said == nil {
		return nil
	}
	s := &cn.buf.sum
	want, of := said(s.want[:0], &cn.buf.fields)
	if of == nil {
		return nil
	}
	if s.of != of {
		s.of, s.hash = of, of.New()
	}
	s.want = want
	s.hash.Reset()
	return s
}

// add adds a piece of the body.
func (s *sum) add(piece []byte) {
	if s != nil {
		s.hash.Write(piece)
	}
}

// wrong is an error unless the body comes to what was said.
func (s *sum) wrong() error {
	if s == nil {
		return nil
	}
	if s.got = s.hash.Sum(s.got[:0]); bytes.Equal(s.got, s.want) {
		return nil
	}
	return fmt.Errorf("%w: its %s is %x, and is said to be %x", mirror.ErrChecksum, s.of.Name, s.got, s.want)
}

// check returns an Object's Check, nil where nothing is known.
func (s *sum) check() func(whole io.Reader) error {
	if s == nil {
		return nil
	}
	of, want := s.of, bytes.Clone(s.want)
	return func(whole io.Reader) error {
		again := sum{of: of, hash: of.New(), want: want}
		if _, err := io.Copy(again.hash, whole); err != nil {
			return err
		}
		return again.wrong()
	}
}

// mismatch reports whether err is that of a whole body with the wrong sum.
func mismatch(err error) bool { return errors.Is(err, mirror.ErrChecksum) }
